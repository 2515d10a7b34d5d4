import { LRUCache } from 'lru-cache'
import { type HeaderNames, headerPresets } from '../../../config/header-presets.ts'
import type { Identity, RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { Provider } from '../provider.ts'
import { type Assertion, createAssertionReader } from './assertion.ts'
import { findPreset } from './other-preset.ts'
import { trimBlanks } from './trim-blanks.ts'

/** Limits the number of cached identities and the total number of characters in their header values. */
const cacheLimits = {
  max: 4096,
  maxSize: 8 * 1024 * 1024,
  sizeCalculation: (_: RequestIdentity, key: string) => key.length,
}

/**
 * Stands for an absent groups header in a cache key, to distinguish it from an empty header. No header value can
 * contain CR.
 */
const absentGroups = '\r'

/** Takes the identity from request headers that a trusted proxy, such as Authelia, adds. */
export function createHeaderProvider(name: string, names: HeaderNames): Provider {
  const { claimsIdentity, readAssertion } = createAssertionReader(names)
  const identities = new LRUCache<string, RequestIdentity>(cacheLimits)
  // Created once and reused: in a chain of providers, many requests throw this error.
  const missingDetail = `missing authentication headers (${names.username})`
  const missing = new GatewayError('identity_missing', missingDetail)
  const missingErrors = new Map(
    Object.entries(headerPresets).map(([preset, { username }]) => [
      preset,
      new GatewayError(
        'identity_missing',
        `${missingDetail}; the request has ${username}: if your proxy sends it, set auth_provider: ${preset}`,
      ),
    ]),
  )

  function missingError(rawHeaders: readonly string[]): GatewayError {
    return missingErrors.get(findPreset(rawHeaders) ?? '') ?? missing
  }

  return function identify(context) {
    const { request } = context
    if (!context.isTrusted)
      throw claimsIdentity(request.rawHeaders) ? untrusted(context) : missingError(request.rawHeaders)
    const assertion = readAssertion(request.rawHeaders)
    const { username, groups, email, name: fullName } = assertion
    const key = `${username}\n${groups ?? absentGroups}\n${email}\n${fullName}`
    if (username === '') throw missingError(request.rawHeaders)
    const cached = identities.get(key)
    if (cached !== undefined) return cached
    // Ambient, so that the CSRF checks apply: the proxy adds the headers to every request of the browser, even those
    // caused by another site.
    const identified = Object.freeze({ identity: toIdentity(name, assertion, names.groupsSeparator), isAmbient: true })
    identities.set(key, identified)
    return identified
  }
}

/**
 * The error for identity headers from an untrusted peer: header spoofing, or a proxy that is missing in
 * trusted_proxies.
 */
function untrusted(context: RequestContext): GatewayError {
  return new GatewayError('peer_untrusted', `identity headers ${context.explainDistrust()}`)
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

/** Decodes a header value as UTF-8, which proxies send. Node decodes it as Latin-1. */
function decode(value: string): string {
  if (/^[\0-\x7f]*$/.test(value)) return value
  try {
    return utf8.decode(Buffer.from(value, 'latin1'))
  } catch (cause) {
    throw new GatewayError('identity_invalid', 'an identity header is not UTF-8', { cause })
  }
}
