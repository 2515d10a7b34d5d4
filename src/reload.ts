import type { Config } from '../config/schema.ts'

/** What a running elastauth can take over: all of it is read by the front, and none says where we listen or store. */
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
  'forward_auth',
] as const satisfies readonly (keyof Config)[]

export type Reload = Readonly<{
  /** What is in force from now on. */
  config: Config
  /** Keys that changed and need a restart. */
  ignored: readonly string[]
}>

/** The running configuration with what may be taken over from the next one. */
export function planReload(running: Config, next: Config): Reload {
  const taken = Object.fromEntries(reloadable.map((key) => [key, next[key]])) as Pick<
    Config,
    (typeof reloadable)[number]
  >
  const forward_auth = Object.freeze({ ...taken.forward_auth, listen: running.forward_auth.listen })
  const config = Object.freeze({ ...running, ...taken, forward_auth })
  const ignored = (Object.keys(next) as (keyof Config)[]).filter((key) => !isSame(config[key], next[key]))
  // Of this section all else has been taken over.
  return { config, ignored: ignored.map((key) => (key === 'forward_auth' ? 'forward_auth.listen' : key)) }
}

/** Both come from the same schema, with their keys in the same order. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
