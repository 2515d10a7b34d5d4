import { canonicalizeHeaderName } from '../../../config/header-names.ts'
import type { HeaderNames } from '../../../config/header-presets.ts'
import { GatewayError } from '../../http/errors.ts'
import { connectionOptionsOf, someHeader } from '../../http/headers.ts'

/** The raw values of the identity headers, `''` where one is absent; absent groups are undefined. */
export type Assertion = { username: string; groups: string | undefined; email: string; name: string }

type Slot = keyof Assertion

const slots: readonly Slot[] = ['username', 'groups', 'email', 'name']

/**
 * Picks the identity headers out of a request's raw headers. Raw, because Node joins doubled lines into one value.
 * `readAssertion` throws GatewayError identity_invalid for a doubled header, for another spelling of one (`Remote_User`,
 * which some servers and gateways take for the same), and for one that `Connection` names (RFC 9110, 7.6.1: a proxy
 * that obeys would remove it, so somebody wants it removed).
 */
export function createAssertionReader(names: HeaderNames) {
  // One header may serve for two: the e-mail address as the username, say.
  const slotsOf = Map.groupBy(slots, (slot) => names[slot].toLowerCase())
  const canonical = new Set([...slotsOf.keys()].map(canonicalizeHeaderName))
  // Most headers of a request have another length than any of ours: those cost one look-up.
  const lengths = new Set([...canonical].map((name) => name.length))

  function readAssertion(rawHeaders: readonly string[]): Assertion {
    checkConnection(rawHeaders)
    const assertion: Assertion = { username: '', groups: undefined, email: '', name: '' }
    let seen: string[] | undefined
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const length = rawHeaders[i]!.length
      if (!lengths.has(length)) continue
      const name = rawHeaders[i]!.toLowerCase()
      const named = slotsOf.get(name)
      if (named === undefined) {
        if (canonical.has(canonicalizeHeaderName(name))) throw invalid('an identity header comes in another spelling')
        continue
      }
      if (seen?.includes(name)) throw invalid(`the ${named[0]} header comes twice`)
      if (seen) seen.push(name)
      else seen = [name]
      for (const slot of named) assertion[slot] = rawHeaders[i + 1]!
    }
    return assertion
  }

  /** Whether a request says who it is from, in whatever spelling. */
  function claimsIdentity(rawHeaders: readonly string[]): boolean {
    const isClaim = (name: string, value: string) => value !== '' && canonical.has(canonicalizeHeaderName(name))
    return someHeader(rawHeaders, isClaim)
  }

  function checkConnection(rawHeaders: readonly string[]): void {
    const options = connectionOptionsOf(rawHeaders)
    if (options === undefined) return
    for (const option of options) {
      if (canonical.has(canonicalizeHeaderName(option))) throw invalid('Connection names an identity header')
    }
  }

  return Object.freeze({ readAssertion, claimsIdentity })
}

function invalid(detail: string): GatewayError {
  return new GatewayError('identity_invalid', detail)
}
