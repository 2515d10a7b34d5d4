import { providersOf } from '../header-presets.ts'
import { isLoopbackHost } from '../hosts.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

type Oidc = Config['oidc']

/** What the OpenID provider takes, and what would let others in. */
export function checkOidc(config: Config): (RuleViolation | false)[] {
  if (!providersOf(config).includes('oidc')) return []
  const { oidc } = config
  return [
    oidc.issuer === null && violation('oidc.issuer', 'is required with the provider oidc', 'write its issuer URL'),
    oidc.client_id === null &&
      violation('oidc.client_id', 'is required with the provider oidc', 'write the ID the provider knows us by'),
    isForAnyTenant(oidc.issuer) &&
      violation(
        'oidc.issuer',
        'is for all tenants, so anybody with an account could enter',
        'write your tenant’s issuer',
      ),
    oidc.algorithms.length === 0 &&
      violation('oidc.algorithms', 'is empty, so no token could be good', 'list some, or remove it'),
    ...checkHttps(oidc),
    ...checkRedirect(oidc),
    ...checkClient(oidc),
    ...checkCustomHeaders(oidc),
    ...checkParameters(oidc),
  ]
}

const addresses = [
  'issuer',
  'authorization_endpoint',
  'token_endpoint',
  'userinfo_endpoint',
  'introspection_endpoint',
  'end_session_endpoint',
  'jwks_uri',
] as const satisfies readonly (keyof Oidc)[]

/** Who can change what the provider says on its way to us can be anybody. */
function checkHttps(oidc: Oidc): (RuleViolation | false)[] {
  if (oidc.allow_http) return []
  return addresses.map((name) => {
    const url = URL.parse(oidc[name] ?? '')
    const isOpen = url?.protocol === 'http:' && !isLoopbackHost(url.hostname)
    return (
      isOpen && violation(`oidc.${name}`, 'is not https', 'use https, or set oidc.allow_http: true in a test setting')
    )
  })
}

function checkRedirect({ redirect_url }: Oidc): (RuleViolation | false)[] {
  const url = URL.parse(redirect_url ?? '')
  const isOther = url !== null && (url.pathname !== '/elastauth/callback' || url.search !== '' || url.hash !== '')
  const fix = 'write https://<host>/elastauth/callback'
  return [
    isOther && violation('oidc.redirect_url', 'is not the address of our page', fix),
    url?.protocol === 'http:' &&
      !isLoopbackHost(url.hostname) &&
      violation('oidc.redirect_url', 'is not https, and browsers would not keep our cookies', fix),
  ]
}

function checkClient({
  client_auth_method: method,
  client_secret,
  private_key,
  ...oidc
}: Oidc): (RuleViolation | false)[] {
  const needsProof = oidc.login || oidc.token_validation === 'introspection'
  const hasSecret = method === 'client_secret_basic' || method === 'client_secret_post'
  return [
    needsProof &&
      hasSecret &&
      client_secret === null &&
      violation(
        'oidc.client_secret',
        `is required with client_auth_method ${method}`,
        'set ELASTAUTH_OIDC_CLIENT_SECRET, write client_auth_method: none for a public client, or login: false for tokens only',
      ),
    method === 'private_key_jwt' &&
      private_key === null &&
      violation('oidc.private_key', 'is required with client_auth_method private_key_jwt', 'name a PEM file'),
    method !== 'private_key_jwt' &&
      private_key !== null &&
      violation(
        'oidc.private_key',
        `is not used with client_auth_method ${method}`,
        'remove it, or write private_key_jwt',
        'oidc.client_auth_method',
      ),
    method === 'none' &&
      oidc.login &&
      !oidc.use_pkce &&
      violation('oidc.use_pkce', 'is false for a public client, whose codes anybody could use', 'set it to true'),
  ]
}

/** What HTTP or the protocol fills in for each call. */
const reserved = /^(?:authorization|connection|content-length|content-type|expect|host|transfer-encoding|upgrade)$/i

function checkCustomHeaders({ custom_headers }: Oidc): (RuleViolation | false)[] {
  return Object.keys(custom_headers).map(
    (name) =>
      reserved.test(name) && violation('oidc.custom_headers', `sets ${name}, which is not its to set`, 'remove it'),
  )
}

/** What a login’s safety rests on. */
const ownParameters =
  /^(?:client_id|redirect_uri|response_type|response_mode|scope|state|nonce|code_challenge|code_challenge_method|request|request_uri)$/i

function checkParameters({ authorization_parameters }: Oidc): (RuleViolation | false)[] {
  const key = 'oidc.authorization_parameters'
  return Object.keys(authorization_parameters).map(
    (name) => ownParameters.test(name) && violation(key, `sets ${name}, which is not its to set`, 'remove it'),
  )
}

/** Entra ID’s issuers that stand for all tenants, or for personal accounts. */
function isForAnyTenant(issuer: string | null): boolean {
  return /^https:\/\/login\.microsoftonline\.(?:com|us|cn)\/(?:common|organizations|consumers)(?:\/|$)/i.test(
    issuer ?? '',
  )
}
