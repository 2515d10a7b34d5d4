import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

export function checkRedis({ cache }: Config): (RuleViolation | false)[] {
  const url = cache.redis_url === null ? null : URL.parse(cache.redis_url)
  const database = url?.pathname.replace(/^\//, '') ?? ''
  const serverKeys = [
    cache.redis_url !== null && 'redis_url',
    cache.redis_sentinels.length > 0 && 'redis_sentinels',
    cache.redis_cluster.length > 0 && 'redis_cluster',
  ]
  const [first, second] = serverKeys.filter((key) => key !== false)
  return [
    second !== undefined && violation(`cache.${second}`, `is set together with cache.${first}`, 'keep one of them'),
    cache.redis_sentinels.length > 0 &&
      cache.redis_sentinel_master === null &&
      violation(
        'cache.redis_sentinel_master',
        'is required with cache.redis_sentinels',
        'write the name of the master that they monitor',
      ),
    url !== null &&
      (!/^\d{0,5}$/.test(database) || url.search !== '' || url.hash !== '') &&
      violation(
        'cache.redis_url',
        'has more than a database number after its address',
        'write e.g. rediss://redis:6380/0',
      ),
    cache.redis_cluster.length > 0 &&
      cache.redis_db !== 0 &&
      violation(
        'cache.redis_db',
        'is set, but a Redis Cluster has only database 0',
        'remove it',
        'cache.redis_cluster',
      ),
  ]
}
