import { canonicalizeHeaderName } from '../header-names.ts'
import { headerNames, isHeaderPreset, providersOf } from '../header-presets.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/** Headers that HTTP, a browser or the proxy itself fills in: what they say is not what the proxy asserts. */
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
])

const parts = ['username', 'groups', 'email', 'name'] as const

type Header = {
  readonly part: (typeof parts)[number]
  readonly key: string
  readonly isSet: boolean
  readonly name: string
}

/** What the names of the identity headers and of the proxy secret's must not be, to each other and at all. */
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
    const isOld = config.headers[part] === null && config.authelia[`header_${part}`] !== null
    const isSet = isOld || config.headers[part] !== null
    return { part, key: isOld ? `authelia.header_${part}` : `headers.${part}`, isSet, name: names[part].toLowerCase() }
  })
}

/** `headers.username` and `authelia.header_username` are one setting. */
function checkSpellings({ headers, authelia }: Config): (RuleViolation | false)[] {
  return parts.map((part) => {
    const now = headers[part]?.toLowerCase()
    const old = authelia[`header_${part}`]?.toLowerCase()
    const contradict = now !== undefined && old !== undefined && now !== old
    return (
      contradict && violation(`authelia.header_${part}`, `contradicts headers.${part}`, 'remove it', `headers.${part}`)
    )
  })
}

function checkReservedHeader({ key, name }: Header): RuleViolation | false {
  return (
    reservedHeaders.has(canonicalizeHeaderName(name)) &&
    violation(key, 'names a header with a meaning of its own', 'use another header')
  )
}

/** The e-mail address may well be the username, but groups are nothing else. */
function checkSharedHeader(header: Header, others: readonly Header[]): RuleViolation | false {
  const isGroups = ({ part }: Header) => part === 'groups'
  const twin = others
    .filter(({ name }) => canonicalizeHeaderName(name) === canonicalizeHeaderName(header.name))
    .find((other) => isGroups(header) || isGroups(other) || other.name !== header.name)
  if (twin === undefined) return false
  const [at, other] = header.isSet ? [header, twin] : [twin, header]
  return isGroups(header) || isGroups(twin)
    ? violation(at.key, `names the same header as ${other.part}`, 'give each its own header', other.key)
    : violation(at.key, `is another spelling of the header of ${other.part}`, 'spell them alike', other.key)
}

function checkSecretHeader(secretHeader: string, headers: readonly Header[]): RuleViolation[] {
  const key = 'proxy_secret_header'
  const name = canonicalizeHeaderName(secretHeader)
  if (reservedHeaders.has(name))
    return [violation(key, 'names a header with a meaning of its own', 'use another header')]
  const twin = headers.find((header) => canonicalizeHeaderName(header.name) === name)
  if (twin === undefined) return []
  const fix = 'give it its own header'
  // The fault stands where something was written: a provider's own name stands nowhere
  return [
    twin.isSet
      ? violation(twin.key, 'names the header of proxy_secret', fix, key)
      : violation(key, `names the header of ${twin.part}`, fix),
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
  if (name === 'authorization') return [violation(key, 'names Authorization, which is read anyway', 'remove it')]
  if (reservedHeaders.has(name))
    return [violation(key, 'names a header with a meaning of its own', 'use another header')]
  if (name === canonicalizeHeaderName(secretHeader))
    return [violation(key, 'names the header of proxy_secret', 'give it its own header', 'proxy_secret_header')]
  const twin = headers.find((header) => canonicalizeHeaderName(header.name) === name)
  return twin === undefined
    ? []
    : [violation(key, `names the header of ${twin.part}`, 'give it its own header', twin.key)]
}
