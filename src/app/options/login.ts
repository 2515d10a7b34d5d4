import { providersOf } from '../../../config/header-presets.ts'
import type { Config } from '../../../config/schema.ts'
import { secretKeys } from './credentials.ts'
import { scopesOptions } from './oidc.ts'

export type LoginOptions = NonNullable<ReturnType<typeof loginOptions>>

/** Undefined if users do not sign in through elastauth. */
export function loginOptions(config: Config) {
  if (!hasLogin(config)) return undefined
  const { session, cache, proxy } = config
  return {
    secretKeys: secretKeys(config),
    provider: providerLoginOptions(config),
    hasForm: hasFormLogin(config),
    timeouts: { idleTimeoutMs: session.idle_timeout, lifetimeMs: session.lifetime, graceMs: session.grace },
    maxSessions: cache.max_entries,
    isProxy: proxy.enabled,
  }
}

export type ProviderLoginOptions = NonNullable<ReturnType<typeof providerLoginOptions>>

/** Undefined if users do not sign in at a provider. */
function providerLoginOptions(config: Config) {
  if (!hasProviderLogin(config)) return undefined
  const { oidc } = config
  return {
    ...scopesOptions(config),
    usePkce: oidc.use_pkce,
    extraParameters: oidc.authorization_parameters,
    postLogoutRedirectUrl: oidc.post_logout_redirect_url ?? undefined,
  }
}

/** Whether users sign in through elastauth, and have sessions. */
export function hasLogin(config: Config): boolean {
  return hasProviderLogin(config) || hasFormLogin(config)
}

function hasFormLogin(config: Config): boolean {
  return providersOf(config).includes('users') && config.users.login
}

function hasProviderLogin(config: Config): boolean {
  return providersOf(config).includes('oidc') && config.oidc.login
}
