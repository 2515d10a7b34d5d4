/** Leaves out the cookies that would let whoever sees them be the user: elastauth's own, and those that hold a token. */
export function createWithoutPrivate(names: readonly string[]): (value: string) => string {
  const isPrivate = new RegExp(
    `^\\s*(?:(?:__(?:Host|Secure)-)?elastauth${names.map((name) => `|${name}\\s*=`).join('')})`,
    'i',
  )
  const mayHold = new RegExp(['elastauth', ...names].join('|'), 'i')

  return function withoutPrivate(value) {
    if (!mayHold.test(value)) return value
    const cookies = value.split(';').filter((cookie) => !isPrivate.test(cookie))
    return cookies.join(';').trim()
  }
}
