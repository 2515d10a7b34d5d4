import { providersOf } from '../../config/header-presets.ts'
import type { Config } from '../../config/schema.ts'
import { hasLogin } from '../app/options/login.ts'
import { redisConnection } from '../app/options/redis.ts'
import { createRedis } from '../redis/redis.ts'
import { type Check, callLimitOf, type Finding, failure, ok, warning } from './check.ts'

/** The check of Redis. It writes only keys that expire within a second. */
export function redisCheck(config: Config): Check {
  return { id: 'redis', title: `Redis (${describeRedis(config)})`, run: () => checkRedis(config) }
}

async function checkRedis(config: Config): Promise<Finding[]> {
  const hasSessions = hasLogin(config)
  const hasAttempts = hasPasswords(config)
  const redis = createRedis({ connection: redisConnection(config), onStateChange: () => {} })
  try {
    await redis.start(callLimitOf(config))
    const replicas = await redis.countReplicas().catch(() => undefined) // before the probe subscribes itself
    await redis.probe(hasSessions, hasAttempts)
    const memory = await redis.readMemory().catch(() => '')
    const count = replicas === undefined ? '' : `; replicas connected: ${replicas}`
    return [ok(`every operation is allowed${count}`), ...checkEviction(memory, hasSessions || hasAttempts)]
  } catch (error) {
    const { message } = error as Error
    return [failure(message, fixFor(message))]
  } finally {
    redis.close()
  }
}

/** Whether failed attempts are counted. */
function hasPasswords(config: Config): boolean {
  const providers = providersOf(config)
  return providers.includes('users') || (providers.includes('elasticsearch') && config.elasticsearch_auth.basic)
}

/** @param memory the section `memory` of INFO, or an empty text if the user may not read it */
export function checkEviction(memory: string, hasLastingKeys: boolean): Finding[] {
  const [, policy = 'noeviction'] = /^maxmemory_policy:([\w-]+)/m.exec(memory) ?? []
  const isLimited = /^maxmemory:[1-9]/m.test(memory)
  if (policy === 'noeviction' || !isLimited || !hasLastingKeys) return []
  return [
    warning(
      `maxmemory-policy is ${policy}: if the memory is full, Redis removes sessions, so users have to sign in again`,
      'set maxmemory-policy noeviction',
    ),
  ]
}

function fixFor(reason: string): string | undefined {
  if (reason.includes('needs the rights') || reason.includes('; if it expects TLS')) return undefined // it has a fix
  const fixes: readonly [RegExp, string][] = [
    [/WRONGPASS|NOAUTH/, 'correct cache.redis_username and cache.redis_password, or cache.redis_url'],
    [/NOPERM/, 'grant the user this permission (ACL SETUSER)'],
    [/OOM/, 'raise maxmemory of Redis'],
    [/READONLY/, 'name the master, or configure cache.redis_sentinels'],
    [/unable to verify|self.signed|unable to get/, 'put its CA into cache.redis_ca_cert'],
    [/ENOTFOUND|EAI_AGAIN/, 'correct the name of the server, or DNS where elastauth runs'],
  ]
  return fixes.find(([pattern]) => pattern.test(reason))?.[1] ?? 'start it, or correct cache.redis_*'
}

/** The addresses of the Redis servers. The configured URL is not shown, because it may contain a password. */
export function describeRedis(config: Config): string {
  const { servers, tls } = redisConnection(config)
  const addresses = servers.kind === 'standalone' ? [servers.address] : servers.addresses
  const kind = { standalone: '', sentinels: 'Sentinels ', cluster: 'Cluster ' }[servers.kind]
  return `${kind}${addresses.map(({ host, port }) => `${host}:${port}`).join(', ')}${tls ? ', TLS' : ''}`
}
