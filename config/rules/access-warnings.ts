import { isWideNetwork } from '../formats/addresses.ts'
import { isLocalListener } from '../formats/listeners.ts'
import { isHeaderPreset, providersOf } from '../header-presets.ts'
import { isLoopbackHost } from '../hosts.ts'
import type { Config } from '../schema.ts'

/** Warnings about settings that give more people access than an administrator may expect. */
export function findAccessWarnings(config: Config, isSet: (key: string) => boolean): string[] {
  return [
    ...checkServiceAccount(config),
    ...checkPlainHttp(config),
    ...checkTrust(config, isSet),
    ...checkSocketMode(config),
    ...checkRoles(config),
  ]
}

function checkServiceAccount({ elasticsearch: { username } }: Config): string[] {
  if (username !== 'elastic') return []
  return [
    'elasticsearch.username is elastic, the built-in superuser: create a separate account that has only the cluster privilege manage_security.',
  ]
}

/** Without TLS, a machine on the network path can read the password of the service account, or those of users. */
function checkPlainHttp({ elasticsearch: { hosts, dry_run }, proxy }: Config): string[] {
  const routes = proxy.routes.map(({ auth, credential, upstreams }) =>
    auth === 'required' && credential === 'user' ? upstreams : [],
  )
  const urls = [
    ...(dry_run ? [] : hosts.map((url) => [url, 'elasticsearch.hosts'] as const)),
    ...(proxy.enabled
      ? [
          [proxy.elasticsearch_url, 'proxy.elasticsearch_url'] as const,
          ...routes.flatMap((upstreams, index) => upstreams.map((url) => [url, `proxy.routes[${index}]`] as const)),
        ]
      : []),
  ]
  const remote = urls.filter(([url]) => url?.startsWith('http:') && !isLoopbackHost(new URL(url).hostname))
  if (remote.length === 0) return []
  const list = remote.map(([url, key]) => `${url} (${key})`).join(', ')
  return [
    `${list} ${remote.length === 1 ? 'is' : 'are'} not https: a machine on the network path can read the credentials that elastauth sends there.`,
  ]
}

function checkTrust(config: Config, isSet: (key: string) => boolean): string[] {
  const { proxy_secret, trusted_proxies, listen, forward_auth, proxy } = config
  if (proxy_secret !== null) return []
  const wide = trusted_proxies.filter((entry) => entry === 'all' || isWideNetwork(entry))
  if (wide.length > 0)
    return [
      `trusted_proxies has ${wide.join(', ')}, which covers a large part of the internet, and there is no proxy_secret: every client that reaches the listener can impersonate any user.`,
    ]
  const remote = [...listen, ...(forward_auth.listen ?? [])].filter((address) => !isLocalListener(address))
  if (isSet('trusted_proxies') || remote.length === 0 || !providersOf(config).some(isHeaderPreset)) return []
  const direct = proxy.enabled ? ' In proxy mode clients connect to it directly.' : ''
  return [
    `trusted_proxies is not set, so every machine with a private address that reaches ${remote.join(', ')} can impersonate any user: set it to the address of your proxy, or set proxy_secret.${direct}`,
  ]
}

/** 0002 is the permission of other users to write to a socket, which lets them connect (unix(7)). */
function checkSocketMode({ listen, forward_auth, listen_mode, trusted_proxies, proxy_secret }: Config): string[] {
  const hasSocket = [...listen, ...(forward_auth.listen ?? [])].some((address) => address.includes('unix:'))
  const isOpenToAll = (Number.parseInt(listen_mode, 8) & 0o002) !== 0
  if (!hasSocket || !isOpenToAll || !trusted_proxies.includes('unix') || proxy_secret !== null) return []
  return [
    `listen_mode is ${listen_mode} and trusted_proxies has unix, so every program on this machine can impersonate any user: use 0660 and the group of your proxy.`,
  ]
}

function checkRoles({ group_mappings, default_roles }: Config): string[] {
  const mappings = Object.entries(group_mappings)
  const forAll = mappings.filter(([pattern]) => /^\*+$/.test(pattern)).flatMap(([, roles]) => roles)
  const copied = mappings
    .filter(([pattern, roles]) => roles.includes('{group}') && isPatternOfSuperuser(pattern))
    .map(([pattern]) => JSON.stringify(pattern))
  return [
    ...(forAll.includes('superuser') ? ['group_mappings gives everyone who has a group the role superuser.'] : []),
    ...(default_roles.includes('superuser')
      ? ['default_roles gives everyone without a mapped group the role superuser.']
      : []),
    ...(copied.length > 0
      ? [
          `group_mappings gives groups that match ${copied.join(', ')} the role of the same name: a group named superuser at the provider may do anything. Write a role such as "team-{group}".`,
        ]
      : []),
  ]
}

/** Whether a pattern with `*` matches the group `superuser`, whatever its case, as src/auth/roles.ts does. */
function isPatternOfSuperuser(pattern: string): boolean {
  const parts = pattern.split(/\*+/).map((part) => RegExp.escape(part))
  return parts.length > 1 && new RegExp(`^${parts.join('.*')}$`, 'i').test('superuser')
}
