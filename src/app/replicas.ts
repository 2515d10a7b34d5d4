import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/schema.ts'
import type { Credentials } from '../auth/credentials/credentials.ts'
import { createSharedCache, type SharedCacheOptions } from '../auth/credentials/shared-cache.ts'
import { noSharedStates, type SharedStates } from '../auth/credentials/shared-states.ts'
import { createSweepLease, noSweepLease, type SweepLease } from '../auth/credentials/sweep-lease.ts'
import type { ReadinessChecks } from '../endpoints/ready.ts'
import type { Logger } from '../observability/log.ts'
import type { RedisCallOptions } from '../redis/call.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { redisConnection } from './options/redis.ts'
import type { PrepareReload } from './reload.ts'

/** Everything this process shares with other replicas. */
export type Replicas = Readonly<{
  states: SharedStates
  /** Decides which replica sweeps idle users. */
  sweepLease: SweepLease
  /** The shared session store; undefined if each replica has its own. */
  sessions: SessionStore | undefined
  checks: ReadinessChecks
  /** Waits briefly for Redis, then subscribes to the changes that other replicas publish. */
  join: (
    credentials: Pick<Credentials, 'noteChange' | 'revalidateAll'>,
    sessions?: Pick<Sessions, 'handleEvent' | 'recheckAll'>,
  ) => Promise<void>
  /** Reads the certificates for Redis again, for new connections. */
  prepareReload: PrepareReload
  leave: () => void
}>

type Deps = Readonly<{ log: Logger; count: RedisCallOptions['count'] }> & Pick<SharedCacheOptions, 'keys' | 'rules'>

/** Replicas coordinate through Redis if it is configured, otherwise through Elasticsearch alone. */
export async function createReplicas(config: Config, { keys, rules, log, count }: Deps): Promise<Replicas> {
  const { cache, elasticsearch } = config
  if (cache.type !== 'redis') return withoutRedis
  const { createRedis, parseSessionEvent } = await import('../redis/redis.ts') // loaded only if configured
  const redis = createRedis({ connection: redisConnection(config), count, onStateChange: createReport(log) })
  return Object.freeze({
    states: elasticsearch.dry_run
      ? noSharedStates
      : createSharedCache({
          store: redis.store,
          keys,
          rules,
          // The lock (auth/credentials/write-user.ts) is held during at most three calls: a read, a write, and a second
          // write if Elasticsearch rejects the password hash. Each call takes up to three timeouts (es/connection.ts),
          // and one more timeout allows for a write that the network delivers late.
          lockTtlMs: 10 * elasticsearch.timeout,
          now: Date.now,
          monotonicNow: () => performance.now(),
          sleep: (milliseconds) => sleep(milliseconds),
        }),
    sweepLease: createSweepLease(redis.store),
    sessions: redis.sessions,
    checks: { redis: redis.check },
    async join(credentials, sessions) {
      await redis.start()
      redis.listen({
        onChange(name, rest) {
          const sessionEvent = parseSessionEvent(name, rest)
          if (sessionEvent === undefined) credentials.noteChange(name, rest)
          else sessions?.handleEvent(sessionEvent)
        },
        onListening() {
          credentials.revalidateAll()
          sessions?.recheckAll()
        },
      })
    },
    prepareReload: (next: Config) => redis.prepareRenewal(redisConnection(next).tls),
    leave: redis.close,
  })
}

const withoutRedis: Replicas = Object.freeze({
  states: noSharedStates,
  sweepLease: noSweepLease,
  sessions: undefined,
  checks: {},
  join: async () => {},
  prepareReload: () => () => {},
  leave: () => {},
})

function createReport(log: Logger): RedisCallOptions['onStateChange'] {
  return (change) => {
    if (change.state === 'up') log.info({ 'event.action': 'redis_up' }, 'connected to Redis again')
    else log.warn({ 'event.action': 'redis_down' }, `Redis: ${change.reason}; continuing without it`)
  }
}
