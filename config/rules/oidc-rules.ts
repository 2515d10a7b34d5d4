import { providersOf } from '../header-presets.ts'
import { isLoopbackHost } from '../hosts.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

type Oidc = Config['oidc']

/** Checks the keys that OpenID Connect requires, and rejects combinations that would weaken its security. */
export function checkOidc(config: Config): (RuleViolation | false)[] {
  if (!providersOf(config).includes('oidc')) return []
  const { oidc } = config
  return [
    oidc.issuer === null && violation('oidc.issuer', 'is required with the provider oidc', 'write its issuer URL'),
    oidc.client_id === null &&
      violation(
        'oidc.client_id',
        'is required with the provider oidc',
        'write the client ID registered at the provider',
      ),
    isForAnyTenant(oidc.issuer) &&
      violation(
        'oidc.issuer',
        'is for all tenants, so anyone with a Microsoft account could sign in',
        'write the issuer of your tenant',
      ),
    oidc.algorithms.length === 0 &&
      violation('oidc.algorithms', 'is empty, so every token would be rejected', 'list at least one, or remove it'),
    ...checkHttps(oidc),
    ...checkRedirect(oidc),
    ...checkClient(oidc),
    ...checkCustomHeaders(oidc),
    ...checkParameters(oidc),
  ]
}

const endpointKeys = [
  'issuer',
  'authorization_endpoint',
  'token_endpoint',
  'userinfo_endpoint',
  'introspection_endpoint',
  'end_session_endpoint',
  'jwks_uri',
] as const satisfies readonly (keyof Oidc)[]

/**
 * Rejects plain HTTP to other machines: an attacker in between could replace the provider's responses and impersonate
 * any user.
 */
function checkHttps(oidc: Oidc): (RuleViolation | false)[] {
  if (oidc.allow_http) return []
  return endpointKeys.map(
    (name) =>
      isRemoteHttp(URL.parse(oidc[name] ?? '')) &&
      violation(`oidc.${name}`, 'is not https', 'use https, or set oidc.allow_http: true for testing'),
  )
}

function checkRedirect({ redirect_url }: Oidc): (RuleViolation | false)[] {
  const url = URL.parse(redirect_url ?? '')
  const isCallback = url?.pathname === '/elastauth/callback' && url.search === '' && url.hash === ''
  const fix = 'write https://<host>/elastauth/callback'
  return [
    url !== null && !isCallback && violation('oidc.redirect_url', 'is not the callback of elastauth', fix),
    isRemoteHttp(url) &&
      violation('oidc.redirect_url', 'is not https, so browsers would not store the login cookies', fix),
  ]
}

/** Whether a URL means plain HTTP to another machine. */
function isRemoteHttp(url: URL | null): boolean {
  return url?.protocol === 'http:' && !isLoopbackHost(url.hostname)
}

function checkClient({
  client_auth_method: method,
  client_secret,
  private_key,
  ...oidc
}: Oidc): (RuleViolation | false)[] {
  const mustAuthenticate = oidc.login || oidc.token_validation === 'introspection'
  const usesSecret = method === 'client_secret_basic' || method === 'client_secret_post'
  return [
    mustAuthenticate &&
      usesSecret &&
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
        'remove it, or write client_auth_method: private_key_jwt',
        'oidc.client_auth_method',
      ),
    method === 'none' &&
      oidc.login &&
      !oidc.use_pkce &&
      violation(
        'oidc.use_pkce',
        'is false for a public client, so anyone could redeem an intercepted authorization code',
        'set it to true',
      ),
  ]
}

/** Headers that must not be configured, because HTTP or OpenID Connect sets them in each call. */
const reservedHeaders =
  /^(?:authorization|connection|content-length|content-type|expect|host|transfer-encoding|upgrade)$/i

function checkCustomHeaders({ custom_headers }: Oidc): (RuleViolation | false)[] {
  return Object.keys(custom_headers).map(
    (name) =>
      reservedHeaders.test(name) &&
      violation('oidc.custom_headers', `sets ${name}, which elastauth controls`, 'remove it'),
  )
}

/** Parameters that must not be configured: elastauth sets them, and the security of a login depends on them. */
const reservedParameters =
  /^(?:client_id|redirect_uri|response_type|response_mode|scope|state|nonce|code_challenge|code_challenge_method|request|request_uri)$/i

function checkParameters({ authorization_parameters }: Oidc): (RuleViolation | false)[] {
  const key = 'oidc.authorization_parameters'
  return Object.keys(authorization_parameters).map(
    (name) => reservedParameters.test(name) && violation(key, `sets ${name}, which elastauth controls`, 'remove it'),
  )
}

/** Whether this is Microsoft Entra ID's issuer for all tenants, or for personal accounts. */
function isForAnyTenant(issuer: string | null): boolean {
  return /^https:\/\/login\.microsoftonline\.(?:com|us|cn)\/(?:common|organizations|consumers)(?:\/|$)/i.test(
    issuer ?? '',
  )
}
