/** The cookies that authenticate a user to elastauth. Upstreams can neither read nor set them. */
export type PrivateCookies = Readonly<{
  /** Removes the private cookies from a `Cookie` header's value. */
  strip: (cookie: string) => string
  /** Whether a `Set-Cookie` header's value sets a private cookie, which would allow an upstream session fixation. */
  isSetBy: (setCookie: string) => boolean
}>

/**
 * Matches elastauth's own cookies, with or without a name prefix (RFC 6265bis, 4.1.3), and the cookies in `names`,
 * which contain a token. Also matches spellings that only a lenient parser accepts.
 */
export function createPrivateCookies(names: readonly string[]): PrivateCookies {
  const name = `(?:(?:__[a-z-]+-)?elastauth${names.map((one) => `|${one}[\\s"]*=`).join('')})`
  // A browser sends a nameless cookie as its bare value: a cookie set by `=access_token=x` comes back as
  // `access_token=x`.
  const isPrivate = new RegExp(`^[\\s"=]*${name}`, 'i')
  // Some clients treat a comma as the start of another cookie, as in RFC 2109.
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
