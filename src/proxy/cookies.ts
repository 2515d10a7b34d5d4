/** The cookies that let whoever sends them act as the user. Upstreams neither see them nor set them. */
export type PrivateCookies = Readonly<{
  /** A `Cookie` header's value without them. */
  strip: (cookie: string) => string
  /** Whether a `Set-Cookie` header's value sets one of them: a session that an upstream chooses is session fixation. */
  isSetBy: (setCookie: string) => boolean
}>

/**
 * Elastauth's own cookies, with or without a prefix (RFC 6265bis, 4.1.3), and those by the given names, which hold a token.
 * Spellings that only a lenient parser takes for the same count as the same.
 */
export function createPrivateCookies(names: readonly string[]): PrivateCookies {
  const name = `(?:(?:__[a-z-]+-)?elastauth${names.map((one) => `|${one}[\\s"]*=`).join('')})`
  // A browser sends a cookie without a name as its bare value: `=access_token=x` comes back as `access_token=x`.
  const isPrivate = new RegExp(`^[\\s"=]*${name}`, 'i')
  // Some clients take a comma for the start of another cookie, as RFC 2109 had it.
  const isSet = new RegExp(`(?:^|[,;])[\\s"=]*${name}`, 'i')
  const mayHold = new RegExp(['elastauth', ...names].join('|'), 'i')

  return Object.freeze({
    strip(cookie: string) {
      if (!mayHold.test(cookie)) return cookie
      const cookies = cookie.split(';').filter((one) => !isPrivate.test(one))
      return cookies.join(';').trim()
    },
    isSetBy: (setCookie: string) => mayHold.test(setCookie) && isSet.test(setCookie),
  })
}
