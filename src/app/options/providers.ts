import { headerNames, providersOf } from '../../../config/header-presets.ts'
import type { Config } from '../../../config/schema.ts'
import type { ProviderOptions } from '../../providers/index.ts'

/** @param oidc what lives as long as the process; undefined where the OpenID provider is not among the providers */
export function providerOptions(config: Config, oidc: ProviderOptions['oidc']): ProviderOptions {
  return {
    names: providersOf(config),
    headers: headerNames(config),
    static: { ...config.static, username: config.static.username ?? '' },
    oidc,
  }
}

/** The headers that say who the user is, and the one that proves who says so. */
export function privateHeaders(config: Config): string[] {
  const { groupsSeparator: _, ...names } = headerNames(config)
  return [...Object.values(names), config.proxy_secret_header, config.oidc.token_header].filter((name) => name !== null)
}
