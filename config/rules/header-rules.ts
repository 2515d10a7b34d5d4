import { canonicalizeHeaderName } from '../header-names.ts'
import { headerNames, isHeaderPreset, providersOf } from '../header-presets.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/** Headers that cannot contain an identity, because HTTP, browsers or proxies use them for another purpose. */
const reservedHeaders: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'authorization',
  'cookie',
  'proxy-authorization',
  'content-length',
  'transfer-encoding',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-uri',
  'x-forwarded-method',
  // These are logged.
  'x-request-id',
  'traceparent',
  // Upstreams log this one.
  'x-opaque-id',
])

const parts = ['username', 'groups', 'email', 'name'] as const

type Header = {
  readonly part: (typeof parts)[number]
  readonly key: string
  readonly isSet: boolean
  readonly name: string
}

/** Identity, token and proxy-secret headers must not be reserved headers, nor share a name. */
export function checkHeaders(config: Config): (RuleViolation | false)[] {
  const headers = providersOf(config).some(isHeaderPreset) ? identityHeaders(config) : []
  return [
    ...checkSpellings(config),
    ...headers.flatMap((header, index) => [
      checkReservedHeader(header),
      checkSharedHeader(header, headers.slice(0, index)),
    ]),
    ...checkSecretHeader(config.proxy_secret_header, headers),
    ...checkTokenHeader(config.oidc.token_header, config.proxy_secret_header, headers),
  ]
}

function identityHeaders(config: Config): Header[] {
  const names = headerNames(config)
  return parts.map((part) => {
    const isLegacyKey = config.headers[part] === null && config.authelia[`header_${part}`] !== null
    const key = isLegacyKey ? `authelia.header_${part}` : `headers.${part}`
    const isSet = isLegacyKey || config.headers[part] !== null
    return { part, key, isSet, name: names[part].toLowerCase() }
  })
}

/** `headers.username` and `authelia.header_username` are the same setting. */
function checkSpellings({ headers, authelia }: Config): (RuleViolation | false)[] {
  return parts.map((part) => {
    const current = headers[part]?.toLowerCase()
    const legacy = authelia[`header_${part}`]?.toLowerCase()
    const isContradiction = current !== undefined && legacy !== undefined && current !== legacy
    return (
      isContradiction &&
      violation(`authelia.header_${part}`, `contradicts headers.${part}`, 'remove it', `headers.${part}`)
    )
  })
}

function checkReservedHeader({ key, name }: Header): RuleViolation | false {
  return (
    reservedHeaders.has(canonicalizeHeaderName(name)) && violation(key, 'names a reserved header', 'use another header')
  )
}

/**
 * Username, email and name may use the same header, for example if the username is the email address. The groups need
 * their own.
 */
function checkSharedHeader(header: Header, others: readonly Header[]): RuleViolation | false {
  const isGroups = ({ part }: Header) => part === 'groups'
  const sameHeader = others
    .filter(({ name }) => canonicalizeHeaderName(name) === canonicalizeHeaderName(header.name))
    .find((other) => isGroups(header) || isGroups(other) || other.name !== header.name)
  if (sameHeader === undefined) return false
  const [configured, other] = header.isSet ? [header, sameHeader] : [sameHeader, header]
  return isGroups(header) || isGroups(sameHeader)
    ? violation(configured.key, `names the same header as ${other.part}`, 'give each its own header', other.key)
    : violation(
        configured.key,
        `is another spelling of the header of ${other.part}`,
        'use the same spelling',
        other.key,
      )
}

function checkSecretHeader(secretHeader: string, headers: readonly Header[]): RuleViolation[] {
  const key = 'proxy_secret_header'
  const name = canonicalizeHeaderName(secretHeader)
  if (reservedHeaders.has(name)) return [violation(key, 'names a reserved header', 'use another header')]
  const sameHeader = headers.find((header) => canonicalizeHeaderName(header.name) === name)
  if (sameHeader === undefined) return []
  const fix = 'give it its own header'
  // The fault is reported for the key that the user has set, because a provider's default header has no location in a
  // file.
  return [
    sameHeader.isSet
      ? violation(sameHeader.key, 'names the same header as proxy_secret_header', fix, key)
      : violation(key, `names the same header as ${sameHeader.part}`, fix),
  ]
}

function checkTokenHeader(
  tokenHeader: string | null,
  secretHeader: string,
  headers: readonly Header[],
): RuleViolation[] {
  if (tokenHeader === null) return []
  const key = 'oidc.token_header'
  const name = canonicalizeHeaderName(tokenHeader)
  if (name === 'authorization') return [] // says that a proxy adds the bearer token
  if (reservedHeaders.has(name)) return [violation(key, 'names a reserved header', 'use another header')]
  if (name === canonicalizeHeaderName(secretHeader))
    return [
      violation(key, 'names the same header as proxy_secret_header', 'give it its own header', 'proxy_secret_header'),
    ]
  const sameHeader = headers.find((header) => canonicalizeHeaderName(header.name) === name)
  return sameHeader === undefined
    ? []
    : [violation(key, `names the same header as ${sameHeader.part}`, 'give it its own header', sameHeader.key)]
}
