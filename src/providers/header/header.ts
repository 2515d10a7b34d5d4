import { LRUCache } from 'lru-cache'
import type { HeaderNames } from '../../../config/header-presets.ts'
import type { Identity, RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import { type Provider, untrustedPeer } from '../provider.ts'
import { type Assertion, createAssertionReader } from './assertion.ts'
import { trimBlanks } from './trim-blanks.ts'

/** The maximum number of cached identities, and of characters in their header values in all. */
const cacheLimits = {
  max: 4096,
  maxSize: 8 * 1024 * 1024,
  sizeCalculation: (_: RequestIdentity, key: string) => key.length,
}

/** In a cache key: an absent groups header. No header value contains CR, so that an empty one has another key. */
const absentGroups = '\r'

/** An identity that a trusted proxy asserts by request headers, such as Authelia's. */
export function createHeaderProvider(name: string, names: HeaderNames): Provider {
  const { claimsIdentity, readAssertion } = createAssertionReader(names)
  const identities = new LRUCache<string, RequestIdentity>(cacheLimits)
  // Created once and reused: in a chain of providers, many requests throw this error.
  const missing = new GatewayError('identity_missing', `missing authentication headers (${names.username})`)

  return function identify(request, isTrusted) {
    if (!isTrusted) throw claimsIdentity(request.rawHeaders) ? untrusted() : missing
    const assertion = readAssertion(request.rawHeaders)
    const { username, groups, email, name: fullName } = assertion
    const key = `${username}\n${groups ?? absentGroups}\n${email}\n${fullName}`
    if (username === '') throw missing
    const cached = identities.get(key)
    if (cached !== undefined) return cached
    // Ambient: the proxy adds the headers to every request of the browser, whichever site's page made it.
    const identified = Object.freeze({ identity: toIdentity(name, assertion, names.groupsSeparator), isAmbient: true })
    identities.set(key, identified)
    return identified
  }
}

/** Header spoofing, or a proxy that is not configured. */
function untrusted(): GatewayError {
  return new GatewayError('peer_untrusted', `identity headers from ${untrustedPeer}`)
}

function toIdentity(provider: string, assertion: Assertion, separator: string): Identity {
  const groups = decode(assertion.groups ?? '').split(separator)
  const email = decode(assertion.email)
  const name = decode(assertion.name)
  return Object.freeze({
    username: decode(assertion.username),
    groups: Object.freeze([...new Set(groups.map(trimBlanks).filter((group) => group !== ''))]),
    ...(assertion.groups === undefined && { groupsMissing: true }),
    ...(email && { email }),
    ...(name && { name }),
    provider,
  })
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Node decodes header values as Latin-1, but proxies send UTF-8. */
function decode(value: string): string {
  if (/^[\0-\x7f]*$/.test(value)) return value
  try {
    return utf8.decode(Buffer.from(value, 'latin1'))
  } catch (cause) {
    throw new GatewayError('identity_invalid', 'an identity header is not UTF-8', { cause })
  }
}
