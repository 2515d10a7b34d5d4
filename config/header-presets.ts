import type { Config } from './schema.ts'

/** The names of the headers that contain an identity, and the separator between groups. */
export type HeaderNames = Readonly<{
  username: string
  groups: string
  email: string
  name: string
  groupsSeparator: string
}>

/** The identity headers of common proxies and providers, as their documentation spells them. */
export const headerPresets = Object.freeze({
  authelia: {
    username: 'Remote-User',
    groups: 'Remote-Groups',
    email: 'Remote-Email',
    name: 'Remote-Name',
    groupsSeparator: ',',
  },
  authentik: {
    username: 'X-authentik-username',
    groups: 'X-authentik-groups',
    email: 'X-authentik-email',
    name: 'X-authentik-name',
    groupsSeparator: '|',
  },
  'oauth2-proxy': {
    username: 'X-Auth-Request-User',
    groups: 'X-Auth-Request-Groups',
    email: 'X-Auth-Request-Email',
    name: 'X-Auth-Request-Preferred-Username',
    groupsSeparator: ',',
  },
  tailscale: {
    username: 'Tailscale-User-Login',
    groups: 'Tailscale-User-Groups',
    email: 'Tailscale-User-Email',
    name: 'Tailscale-User-Name',
    groupsSeparator: ',',
  },
  headers: {
    username: 'X-Forwarded-User',
    groups: 'X-Forwarded-Groups',
    email: 'X-Forwarded-Email',
    name: 'X-Forwarded-Preferred-Username',
    groupsSeparator: ',',
  },
} as const satisfies Record<string, HeaderNames>)

export type HeaderPreset = keyof typeof headerPresets

/** The configured identity providers, in the order in which they are tried. */
export function providersOf({ auth_provider, auth_providers }: Pick<Config, 'auth_provider' | 'auth_providers'>) {
  return auth_providers.length > 0 ? auth_providers : [auth_provider]
}

/** The identity headers in effect: the configured names, or else the provider's defaults. */
export function headerNames(
  config: Pick<Config, 'auth_provider' | 'auth_providers' | 'headers' | 'authelia'>,
): HeaderNames {
  const { headers, authelia } = config
  const preset = headerPresets[providersOf(config).find(isHeaderPreset) ?? 'headers']
  return {
    username: headers.username ?? authelia.header_username ?? preset.username,
    groups: headers.groups ?? authelia.header_groups ?? preset.groups,
    email: headers.email ?? authelia.header_email ?? preset.email,
    name: headers.name ?? authelia.header_name ?? preset.name,
    groupsSeparator: headers.groups_separator ?? preset.groupsSeparator,
  }
}

export function isHeaderPreset(provider: string): provider is HeaderPreset {
  return Object.hasOwn(headerPresets, provider)
}
