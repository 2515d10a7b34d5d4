/**
 * Options of the search, which runs in the browser: VitePress writes the functions into the pages, so they refer to nothing outside. A name such
 * as `proxy_secret`, `oidc.client_id` or `X-Forwarded-For` is one word, which its parts find as well.
 */
export const search = {
  options: {
    tokenize: (text: string) => [
      ...text.split(/[\n\r\p{Z}\p{P}]+/u),
      ...(text.match(/\w+(?:[.-]\w+)+/g) ?? []),
      ...(text.match(/[a-z\d]+(?:_[a-z\d]+)+/gi) ?? []),
    ],
  },
  searchOptions: {
    tokenize: (query: string) =>
      query
        .split(/[^\w.-]+/)
        .map((word) => word.replace(/^\W+|\W+$/g, ''))
        .filter((word) => !/^(?:an?|and|are|can|do|does|for|how|i|in|is|it|of|on|or|the|to|with)?$/i.test(word)),
    prefix: (term: string) => term.length > 2,
    weights: { prefix: 0.1, fuzzy: 0.1 },
    fuzzy: (term: string) => (/^[a-z]{5,}$/.test(term) ? 0.2 : false),
    /** Names are looked up in the reference first, and pages for users come before those about the project. */
    boostDocument(id: string, term: string) {
      if (term.includes('_') && /docs\/(?:configuration|errors)/.test(id)) return 4
      return /CHANGELOG|ARCHITECTURE|CONTRIBUTING|bench\//.test(id) ? 0.2 : 1
    },
  },
}
