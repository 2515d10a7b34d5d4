import { parseAddress } from '../../../config/formats/addresses.ts'
import { withoutBrackets } from '../../../config/hosts.ts'
import type { Config } from '../../../config/schema.ts'
import { percentDecode } from '../../http/target.ts'
import type { Address, RedisConnection } from '../../redis/connect.ts'
import { hasLogin } from './login.ts'
import { readCa, readPem } from './pem.ts'

/** What replicas share in Redis, and how; undefined if Redis is not configured. */
export function replicasOptions(config: Config) {
  const { cache, elasticsearch } = config
  if (cache.type !== 'redis') return undefined
  return {
    connection: redisConnection(config),
    sharesUserStates: !elasticsearch.dry_run,
    hasSessions: hasLogin(config),
    // The lock (auth/credentials/write-user.ts) is held during at most three calls: a read, a write, and a second write
    // if Elasticsearch rejects the password hash. Each call takes up to three timeouts (es/connection.ts), and one more
    // timeout allows for a write that the network delivers late.
    lockTtlMs: 10 * elasticsearch.timeout,
  }
}

/**
 * @param config the validated configuration, which names the servers in exactly one way, and a master for Sentinels
 */
export function redisConnection({ cache }: Config): RedisConnection {
  const url = cache.redis_url === null ? undefined : new URL(cache.redis_url)
  const { redis_ca_cert: ca, redis_client_cert: cert, redis_client_key: key } = cache
  const isTls = cache.redis_tls || ca !== null || cert !== null || url?.protocol === 'rediss:'
  return {
    servers: serversOf(cache, url),
    db: url?.pathname.slice(1) ? Number(url.pathname.slice(1)) : cache.redis_db,
    username: decode(url?.username ?? '') || (cache.redis_username ?? undefined),
    password: decode(url?.password ?? '') || (cache.redis_password ?? undefined),
    tls: isTls ? { ca: readCa(ca), cert: readPem(cert), key: readPem(key) } : undefined,
    timeoutMs: cache.redis_timeout,
  }
}

function serversOf(cache: Config['cache'], url: URL | undefined): RedisConnection['servers'] {
  if (cache.redis_cluster.length > 0) return { kind: 'cluster', addresses: cache.redis_cluster.map(addressOf) }
  if (cache.redis_sentinels.length > 0) {
    return {
      kind: 'sentinels',
      addresses: cache.redis_sentinels.map(addressOf),
      master: cache.redis_sentinel_master!,
      password: cache.redis_sentinel_password ?? undefined,
    }
  }
  if (url === undefined) return { kind: 'standalone', address: addressOf(cache.redis_host) }
  const host = withoutBrackets(url.hostname)
  return { kind: 'standalone', address: { host, port: Number(url.port || 6379) } }
}

/** Percent-decodes credentials in a URL. An invalid escape stays unchanged. */
function decode(text: string): string {
  return percentDecode(text) ?? text
}

function addressOf(text: string): Address {
  return parseAddress(text)!
}
