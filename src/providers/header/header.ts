import { LRUCache } from 'lru-cache'
import type { HeaderNames } from '../../../config/header-presets.ts'
import type { Identity, RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { Provider } from '../provider.ts'
import { type Assertion, createAssertionReader } from './assertion.ts'
import { trimBlanks } from './trim-blanks.ts'

/** Parsing is pure, so its last results are kept, for so many assertions and characters of them. */
const remembered = {
  max: 4096,
  maxSize: 8 * 1024 * 1024,
  sizeCalculation: (_: RequestIdentity, key: string) => key.length,
}

/** No header's value holds a line end. */
const noGroups = '\r'

/** An identity that a trusted proxy asserts by request headers, such as Authelia's. */
export function createHeaderProvider(name: string, names: HeaderNames): Provider {
  const { claimsIdentity, readAssertion } = createAssertionReader(names)
  const identities = new LRUCache<string, RequestIdentity>(remembered)
  // Thrown with many a request where other providers are asked after this one, so it is made once.
  const missing = new GatewayError('identity_missing', `missing authentication headers (${names.username})`)

  return function identify(request, isTrusted) {
    if (!isTrusted) throw refuse(request.rawHeaders)
    const assertion = readAssertion(request.rawHeaders)
    const { username, groups, email, name: fullName } = assertion
    const key = `${username}\n${groups ?? noGroups}\n${email}\n${fullName}`
    if (username === '') throw missing
    const known = identities.get(key)
    if (known !== undefined) return known
    // The proxy adds it to every request, whichever page made it.
    const identified = Object.freeze({ identity: toIdentity(name, assertion, names.groupsSeparator), isAmbient: true })
    identities.set(key, identified)
    return identified
  }

  function refuse(rawHeaders: readonly string[]): GatewayError {
    if (!claimsIdentity(rawHeaders)) return missing
    const reason = 'a peer that is not in trusted_proxies, or without the proxy_secret'
    return new GatewayError('peer_untrusted', `identity headers from ${reason}`)
  }
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

/** Node hands header values over as latin-1; what our neighbours send is UTF-8. */
function decode(value: string): string {
  if (/^[\0-\x7f]*$/.test(value)) return value
  try {
    return utf8.decode(Buffer.from(value, 'latin1'))
  } catch (cause) {
    throw new GatewayError('identity_invalid', 'an identity header is not UTF-8', { cause })
  }
}
