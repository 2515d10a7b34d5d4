import { headerNames, providersOf } from '../../../config/header-presets.ts'
import type { Config } from '../../../config/schema.ts'
import type { ProviderOptions } from '../../providers/index.ts'

/**
 * @param oidc tokens and sessions, which a reload does not replace; undefined if OpenID Connect is not one of the
 * providers
 */
export function providerOptions(config: Config, oidc: ProviderOptions['oidc']): ProviderOptions {
  return {
    names: providersOf(config),
    headers: headerNames(config),
    static: { ...config.static, username: config.static.username ?? '' },
    oidc,
  }
}

/**
 * The names of headers that proxy mode never forwards: identity headers, and those for the proxy secret and the token.
 */
export function privateHeaders(config: Config): string[] {
  const { groupsSeparator: _, ...names } = headerNames(config)
  return [...Object.values(names), config.proxy_secret_header, config.oidc.token_header].filter((name) => name !== null)
}
