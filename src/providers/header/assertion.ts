import { canonicalizeHeaderName } from '../../../config/header-names.ts'
import type { HeaderNames } from '../../../config/header-presets.ts'
import { GatewayError } from '../../http/errors.ts'
import { connectionOptionsOf, someHeader } from '../../http/headers.ts'

/** The raw values of the identity headers, `''` if a header is absent. Absent groups are undefined. */
export type Assertion = { username: string; groups: string | undefined; email: string; name: string }

type Field = keyof Assertion

const allFields: readonly Field[] = ['username', 'groups', 'email', 'name']

/** `bit` is unique for each header, so that a set of headers can be stored as a number. */
type IdentityHeader = Readonly<{ fields: readonly Field[]; bit: number }>

/**
 * Reads the identity headers from a request's raw headers, because Node joins duplicates in `headers`. `readAssertion`
 * throws GatewayError identity_invalid for a duplicate or spoofed header. Spoofed are an alias, such as `Remote_User`,
 * which some servers treat as the same header, and a header named in `Connection`, which proxies remove as hop-by-hop
 * (RFC 9110, section 7.6.1).
 */
export function createAssertionReader(names: HeaderNames) {
  // One header may supply two fields, such as the email address that is also the username.
  const fieldsByName = Map.groupBy(allFields, (field) => names[field].toLowerCase())
  const identityHeaders: ReadonlyMap<string, IdentityHeader> = new Map(
    [...fieldsByName].map(([name, fields], index) => [name, { fields, bit: 1 << index }]),
  )
  const canonicalNames = new Set([...identityHeaders.keys()].map(canonicalizeHeaderName))
  // A fast check: the names of most headers differ in length from every identity header's, so one look-up skips them.
  const lengths = new Set([...canonicalNames].map((name) => name.length))

  function readAssertion(rawHeaders: readonly string[]): Assertion {
    checkConnection(rawHeaders)
    const assertion: Assertion = { username: '', groups: undefined, email: '', name: '' }
    let seen = 0
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!
      const header = findIdentityHeader(name)
      if (header === undefined) continue
      if ((seen & header.bit) !== 0) throw invalid(`duplicate ${header.fields[0]} header`)
      seen |= header.bit
      for (const field of header.fields) assertion[field] = rawHeaders[i + 1]!
    }
    return assertion
  }

  /**
   * Finds the identity header with this name; undefined for any other name. Throws for an alias of an identity header.
   */
  function findIdentityHeader(name: string): IdentityHeader | undefined {
    if (!lengths.has(name.length)) return undefined
    const lowerCaseName = name.toLowerCase()
    const header = identityHeaders.get(lowerCaseName)
    if (header === undefined && canonicalNames.has(canonicalizeHeaderName(lowerCaseName)))
      throw invalid('a header is an alias of an identity header, such as Remote_User for Remote-User')
    return header
  }

  /** Whether a request has a non-empty identity header, or an alias of one. */
  function claimsIdentity(rawHeaders: readonly string[]): boolean {
    const isClaim = (name: string, value: string) => value !== '' && canonicalNames.has(canonicalizeHeaderName(name))
    return someHeader(rawHeaders, isClaim)
  }

  function checkConnection(rawHeaders: readonly string[]): void {
    const options = connectionOptionsOf(rawHeaders)
    if (options === undefined) return
    for (const option of options) {
      if (canonicalNames.has(canonicalizeHeaderName(option))) throw invalid('Connection names an identity header')
    }
  }

  return Object.freeze({ readAssertion, claimsIdentity })
}

function invalid(detail: string): GatewayError {
  return new GatewayError('identity_invalid', detail)
}
