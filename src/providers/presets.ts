export type HeaderNames = Readonly<{
  username: string
  groups: string
  email: string
  name: string
  groupsSeparator: string
}>

/** The headers by which the usual neighbours say who the user is, as their own documentation spells them. */
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
