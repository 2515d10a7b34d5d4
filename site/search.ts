type Section = { anchor: string; titles: string[]; text: string }

/** Splits a page into the sections that the search finds: one for each heading, and one for each row with an anchor. */
export function splitIntoSections(html: string): Section[] {
  const titles: string[] = []
  const sections: Section[] = []
  let current: Section | undefined
  for (const part of html.split(/(?=<h[1-6] id="|<tr id=")/)) {
    const [start, level, anchor, title] =
      /^<h(\d) id="([^"]*)"[^>]*>(.*?)<a class="header-anchor".*?<\/h\1>/s.exec(part) ?? []
    const [row, name] = /^<tr id="([^"]*)">.*?<\/tr>/s.exec(part) ?? []
    if (start !== undefined) {
      titles.splice(Number(level) - 1, titles.length, toText(title!))
      current = { anchor: anchor!, titles: titles.filter(Boolean), text: '' }
      sections.push(current)
    }
    if (row !== undefined)
      sections.push({ anchor: name!, titles: [...titles.filter(Boolean), name!], text: toText(row) })
    if (current !== undefined) current.text += toText(part.slice((start ?? row ?? '').length))
  }
  return sections
}

function toText(html: string): string {
  const text = html
    .replaceAll('<wbr>', '')
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
  return text.replace(/\s+/g, ' ').trim()
}

/**
 * Options of the search, which runs in the browser. VitePress writes the functions into the pages, so they must not refer to anything outside
 * themselves. A name such as `proxy_secret`, `oidc.client_id` or `X-Forwarded-For` is one word, but its parts find it as well.
 */
export const search = {
  // VitePress omits this function from the pages, because its name begins with an underscore.
  _splitIntoSections: (_file: string, html: string) => splitIntoSections(html),
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
    /** A name ranks the reference first. A plain word ranks text above rows about names that contain the word. */
    boostDocument(id: string, term: string) {
      const isRow = /#.*[_.]/.test(id)
      if (/[_.]/.test(term)) return isRow && /docs\/(?:configuration|errors)/.test(id) ? 4 : 1
      return isRow || /CHANGELOG|ARCHITECTURE|CONTRIBUTING|bench\//.test(id) ? 0.2 : 1
    },
  },
}
