import type { IncomingMessage } from 'node:http'
import { headerNames, providersOf } from '../config/header-presets.ts'
import type { Config } from '../config/schema.ts'
import type { RoleRules } from './auth/roles.ts'
import { createActsFromElsewhere } from './login/acts-from-elsewhere.ts'
import type { LoginFront } from './login-front.ts'
import type { Oidc } from './oidc.ts'
import type { ProviderOptions } from './providers/index.ts'

export function roleRules(config: Config): RoleRules {
  return {
    mappings: config.group_mappings,
    defaultRoles: config.default_roles,
    ...(config.enable_group_whitelist && { whitelist: config.group_whitelist }),
  }
}

/** The headers that say who the user is, and the one that proves who says so. */
export function privateHeaders(config: Config): string[] {
  const { groupsSeparator: _, ...names } = headerNames(config)
  return [...Object.values(names), config.proxy_secret_header, config.oidc.token_header].filter((name) => name !== null)
}

export function providerOptions(
  config: Config,
  oidc: Oidc | undefined,
  login: LoginFront | undefined,
  isTrusted: (request: IncomingMessage) => boolean,
): ProviderOptions {
  const { proxy, static: fixed } = config
  return {
    names: providersOf(config),
    headers: headerNames(config),
    static: { ...fixed, username: fixed.username ?? '' },
    oidc: oidc && {
      ...oidc,
      findSession: login?.findSession ?? (() => undefined),
      actsFromElsewhere: createActsFromElsewhere(config.oidc.redirect_url ?? undefined, isTrusted),
      // In auth-only mode the answer holds a password.
      trustedOnly: !proxy.enabled,
    },
  }
}
