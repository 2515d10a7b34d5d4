import type { HeaderNames } from '../../../config/header-presets.ts'
import { GatewayError } from '../../http/errors.ts'

/** The raw values of the identity headers, `''` if a header is absent. Absent groups are undefined. */
export type Assertion = { username: string; groups: string | undefined; email: string; name: string }

type Field = keyof Assertion

const allFields: readonly Field[] = ['username', 'groups', 'email', 'name']

/**
 * Reads the identity headers from a request's raw headers: Node joins duplicate header lines into one value.
 * `readAssertion` throws GatewayError identity_invalid for a header that was duplicated or spoofed: a second line, an alias
 * (`Remote_User`, which some servers and gateways treat as the same header), or a name in `Connection`, which asks a proxy to
 * remove it as a hop-by-hop header (RFC 9110, section 7.6.1).
 */
export function createAssertionReader(names: HeaderNames) {
  // One header may supply two fields, such as the e-mail address that is also the username.
  const fieldsByHeader = Map.groupBy(allFields, (field) => names[field].toLowerCase())
  const canonicalNames = new Set([...fieldsByHeader.keys()].map(canonicalize))
  // Most headers of a request differ in length from all identity headers, so that one look-up skips them.
  const lengths = new Set([...canonicalNames].map((name) => name.length))

  function readAssertion(rawHeaders: readonly string[]): Assertion {
    const assertion: Assertion = { username: '', groups: undefined, email: '', name: '' }
    let seen: (readonly Field[])[] | undefined
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const header = rawHeaders[i]!
      if (header.length === 'connection'.length) checkConnection(header, rawHeaders[i + 1]!)
      const fields = lengths.has(header.length) ? fieldsOf(header) : undefined
      if (fields === undefined) continue
      if (seen?.includes(fields)) throw invalid(`duplicate ${fields[0]} header`)
      if (seen) seen.push(fields)
      else seen = [fields]
      for (const field of fields) assertion[field] = rawHeaders[i + 1]!
    }
    return assertion
  }

  /** The fields that a header supplies; undefined if it is not an identity header. The same array for the same header. */
  function fieldsOf(header: string): readonly Field[] | undefined {
    const name = header.toLowerCase()
    const fields = fieldsByHeader.get(name)
    if (fields === undefined && canonicalNames.has(canonicalize(name)))
      throw invalid('a header is an alias of an identity header, such as Remote_User for Remote-User')
    return fields
  }

  /** Whether a request has a non-empty identity header, or an alias of one. */
  function claimsIdentity(rawHeaders: readonly string[]): boolean {
    const isClaim = (name: string, value: string) =>
      value !== '' && canonicalNames.has(canonicalize(name.toLowerCase()))
    return rawHeaders.some((name, i) => i % 2 === 0 && isClaim(name, rawHeaders[i + 1]!))
  }

  function checkConnection(header: string, value: string): void {
    if (header.toLowerCase() !== 'connection') return
    for (const option of value.split(',')) {
      if (canonicalNames.has(canonicalize(option.trim().toLowerCase())))
        throw invalid('Connection names an identity header')
    }
  }

  return Object.freeze({ readAssertion, claimsIdentity })
}

/** CGI turns `-` in a header name into `_` (RFC 3875, section 4.1.18), and some servers do the same to `.`. */
function canonicalize(name: string): string {
  return name.replace(/[_.]/g, '-')
}

function invalid(detail: string): GatewayError {
  return new GatewayError('identity_invalid', detail)
}
