import { type Config, schema } from '../../../config/schema.ts'

/** Keys that take effect without a restart. Only the request handlers and the log, which a reload replaces, read them. */
const reloadable = [
  'trusted_proxies',
  'proxy_secret',
  'proxy_secret_header',
  'headers',
  'authelia',
  'default_roles',
  'group_mappings',
  'enable_group_whitelist',
  'group_whitelist',
  'admin_roles',
  'users',
  'forward_auth',
  'log_level',
  'log',
] as const satisfies readonly (keyof Config)[]

export type ReloadPlan = Readonly<{
  /** The configuration to use after the reload. */
  config: Config
  /** The keys that change. */
  changed: readonly string[]
  /** The changed keys that take effect only after a restart. */
  ignored: readonly string[]
}>

/**
 * Settings that a reload does not remove, because it may read a file that is still being written. Most of them protect
 * access; without group_mappings, users would lose their roles in Elasticsearch.
 */
const losses: readonly [key: keyof Config, isLost: (running: Config, next: Config) => boolean][] = [
  ['proxy_secret', (running, next) => running.proxy_secret !== null && next.proxy_secret === null],
  [
    'trusted_proxies',
    (running, next) =>
      isSame(next.trusted_proxies, schema.trusted_proxies.default) &&
      !isSame(running.trusted_proxies, schema.trusted_proxies.default),
  ],
  ['enable_group_whitelist', (running, next) => running.enable_group_whitelist && !next.enable_group_whitelist],
  ['group_mappings', (running, next) => hasMappings(running) && !hasMappings(next)],
]

function hasMappings({ group_mappings }: Config): boolean {
  return Object.keys(group_mappings).length > 0
}

/**
 * Combines the running configuration with the reloadable settings of the next one. Throws if the next configuration
 * lacks one of the settings in `losses`, since removing it requires a restart.
 */
export function planReload(running: Config, next: Config): ReloadPlan {
  const lost = losses.filter(([, isLost]) => isLost(running, next)).map(([key]) => key)
  if (lost.length > 0)
    throw new Error(
      `${lost.join(', ')} would go back to the default, as with an incomplete file. Write the whole file and send SIGHUP again; ` +
        'to remove such a key on purpose, restart',
    )
  const taken = Object.fromEntries(reloadable.map((key) => [key, next[key]])) as Pick<
    Config,
    (typeof reloadable)[number]
  >
  const forward_auth = Object.freeze({ ...taken.forward_auth, listen: running.forward_auth.listen })
  const users = Object.freeze({ ...taken.users, login: running.users.login })
  const config = Object.freeze({ ...running, ...taken, forward_auth, users })
  const ignored = (Object.keys(next) as (keyof Config)[]).filter((key) => !isSame(config[key], next[key]))
  const changed = reloadable.filter((key) => !isSame(running[key], config[key]))
  return { config, changed, ignored: ignored.map((key) => remaining[key] ?? key) }
}

/** The only key of a section that is not reloadable. */
const remaining: Partial<Record<keyof Config, string>> = {
  forward_auth: 'forward_auth.listen',
  users: 'users.login',
}

/** Compares two configuration values as JSON: both follow the same schema, so their keys are in the same order. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
