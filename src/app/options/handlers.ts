import { headerNames, providersOf } from '../../../config/header-presets.ts'
import { redactConfig } from '../../../config/redact.ts'
import type { Config } from '../../../config/schema.ts'
import { fixedRoles, type RoleRules } from '../../auth/roles.ts'
import type { TrustOptions } from '../../auth/trust/trusted-request.ts'
import type { ProviderOptions } from '../../providers/index.ts'
import type { EndpointsOptions } from '../endpoints.ts'

export type HandlersOptions = ReturnType<typeof handlersOptions>

/** The options of everything that handles requests. A reload replaces them. */
export function handlersOptions(config: Config) {
  const { elasticsearch, forward_auth, oidc, pages, proxy_secret } = config
  return {
    trust: trustOptions(config),
    hasProxySecret: proxy_secret !== null,
    profile: forward_auth.profile,
    pathPrefix: forward_auth.path_prefix ?? undefined,
    support: pages.support ?? undefined,
    redirectUrl: oidc.redirect_url ?? undefined,
    provider: providerOptions(config),
    roles: roleRules(config),
    serviceAccount: elasticsearch.username ?? undefined,
    privateHeaders: privateHeaders(config),
    endpoints: endpointsOptions(config),
  }
}

export function roleRules(config: Config): RoleRules {
  return {
    mappings: config.group_mappings,
    defaultRoles: config.default_roles,
    allowedGroups: config.enable_group_whitelist ? config.group_whitelist : undefined,
  }
}

/** The roles that the configuration names, except templates with `{group}`. */
export function configuredRoles(config: Config): string[] {
  return fixedRoles(roleRules(config))
}

function trustOptions({ trusted_proxies, proxy_secret, proxy_secret_header }: Config): TrustOptions {
  return {
    trustedProxies: trusted_proxies,
    proxySecret: proxy_secret ?? undefined,
    proxySecretHeader: proxy_secret_header,
  }
}

function providerOptions(config: Config): Pick<ProviderOptions, 'names' | 'headers' | 'static'> {
  return {
    names: providersOf(config),
    headers: headerNames(config),
    static: { ...config.static, username: config.static.username ?? '' },
  }
}

/**
 * The names of headers that proxy mode never forwards: identity headers, and those for the proxy secret and the token.
 */
function privateHeaders(config: Config): string[] {
  const { groupsSeparator: _, ...names } = headerNames(config)
  return [...Object.values(names), config.proxy_secret_header, config.oidc.token_header].filter((name) => name !== null)
}

function endpointsOptions(config: Config): EndpointsOptions {
  const { admin_roles, forward_auth, metrics, proxy } = config
  const isAuthOnly = !proxy.enabled
  return {
    isAuthOnly,
    adminRoles: admin_roles,
    hasMetricsListener: metrics.listen !== null,
    proxySecretHeader: config.proxy_secret_header,
    redactedConfig: () => redactConfig(config),
    subRequests: isAuthOnly && forward_auth.listen === null ? { pathPrefix: forward_auth.path_prefix } : undefined,
  }
}
