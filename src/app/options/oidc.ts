import { providersOf } from '../../../config/header-presets.ts'
import { type Config, schema } from '../../../config/schema.ts'
import type { OidcTokensOptions } from '../../providers/oidc/tokens.ts'
import { secretKeys } from './credentials.ts'
import { readCa, readPem } from './pem.ts'

export type OidcOptions = Readonly<{
  tokens: ReturnType<typeof oidcTokensOptions>
  /** The keys of elastauth's own logins, in hex; undefined if login is not enabled. */
  loginKeys: readonly string[] | undefined
}>

/** Undefined if OpenID Connect is not one of the providers. */
export function oidcOptions(config: Config): OidcOptions | undefined {
  if (!providersOf(config).includes('oidc')) return undefined
  return { tokens: oidcTokensOptions(config), loginKeys: config.oidc.login ? secretKeys(config) : undefined }
}

/** Of the default scopes, `groups` is not requested from a provider that does not support it, such as Keycloak. */
export function scopesOptions({ oidc }: Config) {
  const isDefault = JSON.stringify(oidc.scopes) === JSON.stringify(schema.oidc.scopes.default)
  return { scopes: oidc.scopes, optionalScopes: isDefault ? ['groups'] : [] }
}

/** The scopes to request from a provider that lists these scopes in its metadata. */
export function requestedScopes(
  { scopes, optionalScopes }: ReturnType<typeof scopesOptions>,
  supported: readonly string[] | undefined,
): string[] {
  return scopes.filter((scope) => supported?.includes(scope) !== false || !optionalScopes.includes(scope))
}

/** @param config the validated configuration, in which `oidc.issuer` and `oidc.client_id` are set */
export function oidcTokensOptions(config: Config): Omit<OidcTokensOptions, 'now' | 'monotonicNow' | 'reportProblem'> {
  const { oidc } = config
  const endpoints = {
    authorization_endpoint: oidc.authorization_endpoint,
    token_endpoint: oidc.token_endpoint,
    userinfo_endpoint: oidc.userinfo_endpoint,
    introspection_endpoint: oidc.introspection_endpoint,
    end_session_endpoint: oidc.end_session_endpoint,
    jwks_uri: oidc.jwks_uri,
  }
  return {
    issuer: oidc.issuer!,
    clientId: oidc.client_id!,
    client: {
      method: oidc.client_auth_method,
      secret: oidc.client_secret ?? undefined,
      privateKey: readPem(oidc.private_key),
      privateKeyId: oidc.private_key_id ?? undefined,
    },
    endpoints: withoutNulls(endpoints),
    isLoginEnabled: oidc.login,
    validation: oidc.token_validation,
    validationTtlMs: oidc.validation_ttl,
    audiences: oidc.audiences,
    algorithms: oidc.algorithms,
    tokenHeader: oidc.token_header ?? undefined,
    leavesServiceTokens: providersOf(config).includes('elasticsearch'),
    claimMappings: oidc.claim_mappings,
    addUsernamePrefix: oidc.add_username_prefix ?? undefined,
    stripGroupPrefix: oidc.strip_group_prefix ?? undefined,
    groupsSeparator: oidc.groups_separator ?? undefined,
    ca: providerCa({ oidc }),
    httpProxy: oidc.http_proxy ?? undefined,
    customHeaders: oidc.custom_headers,
    timeoutMs: oidc.timeout,
    allowHttp: oidc.allow_http,
  }
}

/** The CA certificates to verify the provider with. Throws if the file cannot be read. */
export function providerCa({ oidc }: Pick<Config, 'oidc'>): string | undefined {
  return readCa(oidc.ca_cert)
}

function withoutNulls<K extends string>(given: Record<K, string | null>): Partial<Record<K, string>> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)) as Partial<Record<K, string>>
}
