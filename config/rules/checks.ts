import { isLocalListener } from '../formats/listeners.ts'
import { providersOf } from '../header-presets.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

export function checkServiceAccount({
  elasticsearch: { username, password, api_key, dry_run },
}: Config): (RuleViolation | false)[] {
  const hasLogin = username !== null || password !== null
  if (api_key !== null) {
    return [
      hasLogin && violation('elasticsearch.api_key', 'is set beside username or password', 'keep one of the two ways'),
    ]
  }
  if (dry_run) return []
  if (!hasLogin) {
    const fix = 'set ELASTAUTH_ELASTICSEARCH_USERNAME and _PASSWORD, or ELASTAUTH_ELASTICSEARCH_API_KEY'
    return [
      violation('elasticsearch.username', 'is required, with elasticsearch.password', fix, 'elasticsearch.password'),
    ]
  }
  return checkPair('elasticsearch.username', username, 'elasticsearch.password', password)
}

export function checkPair(keyA: string, a: string | null, keyB: string, b: string | null): (RuleViolation | false)[] {
  return [
    a === null && b !== null && violation(keyA, `is not set, but ${keyB} is`, 'set both or neither', keyB),
    b === null && a !== null && violation(keyB, `is not set, but ${keyA} is`, 'set both or neither', keyA),
  ]
}

export function checkStaticProvider(config: Config): (RuleViolation | false)[] {
  const { static: user, listen, forward_auth, elasticsearch } = config
  if (!providersOf(config).includes('static')) return []
  return [
    user.username === null &&
      violation('static.username', 'is required with the provider static', 'write the user’s name'),
    user.username !== null &&
      user.username.toLowerCase() === elasticsearch.username?.toLowerCase() &&
      violation(
        'static.username',
        'is the service account, which would lose its rights',
        'use another name',
        'elasticsearch.username',
      ),
    !user.allow_remote &&
      !(forward_auth.listen ?? []).every(isLocalListener) &&
      violation(
        'forward_auth.listen',
        'can be reached by others, who would all be the static user',
        'use 127.0.0.1 or a unix socket, or set static.allow_remote: true',
      ),
    !listen.every(isLocalListener) &&
      !user.allow_remote &&
      violation(
        'listen',
        'can be reached by others, who would all be the static user',
        'use 127.0.0.1 or a unix socket, or set static.allow_remote: true',
      ),
  ]
}

export function checkRedis({ cache }: Config): (RuleViolation | false)[] {
  const url = cache.redis_url === null ? null : URL.parse(cache.redis_url)
  const db = url?.pathname.replace(/^\//, '') ?? ''
  const ways = [
    cache.redis_url !== null && 'redis_url',
    cache.redis_sentinels.length > 0 && 'redis_sentinels',
    cache.redis_cluster.length > 0 && 'redis_cluster',
  ]
  const [first, second] = ways.filter((way) => way !== false)
  return [
    second !== undefined && violation(`cache.${second}`, `is set beside cache.${first}`, 'keep one of them'),
    cache.redis_sentinels.length > 0 &&
      cache.redis_sentinel_master === null &&
      violation(
        'cache.redis_sentinel_master',
        'is required with cache.redis_sentinels',
        'write the name of the master they watch',
      ),
    url !== null &&
      (!/^\d{0,5}$/.test(db) || url.search !== '' || url.hash !== '') &&
      violation(
        'cache.redis_url',
        'has more behind its address than the number of a database',
        'write e.g. rediss://redis:6380/0',
      ),
    cache.redis_cluster.length > 0 &&
      cache.redis_db !== 0 &&
      violation('cache.redis_db', 'is set, but a Cluster has database 0 only', 'remove it', 'cache.redis_cluster'),
  ]
}
