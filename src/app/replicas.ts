import { setTimeout as sleep } from 'node:timers/promises'
import type { Credentials } from '../auth/credentials/credentials.ts'
import type { Keyring } from '../auth/credentials/password.ts'
import { createSharedCache, type SharedCacheOptions } from '../auth/credentials/shared-cache.ts'
import { noSharedStates, type SharedStates } from '../auth/credentials/shared-states.ts'
import { createSweepLease, noSweepLease, type SweepLease } from '../auth/credentials/sweep-lease.ts'
import type { ReadinessChecks } from '../endpoints/ready.ts'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import type { AttemptStore } from '../providers/attempt-limits.ts'
import type { RedisCallOptions } from '../redis/call.ts'
import type { RedisOptions } from '../redis/redis.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { redisConnection, type replicasOptions } from './options/redis.ts'
import type { PrepareReload } from './reload.ts'

/** Everything this process shares with other replicas. */
export type Replicas = Readonly<{
  states: SharedStates
  /** Decides which replica sweeps idle users. */
  sweepLease: SweepLease
  /** The shared session store; undefined if each replica has its own. */
  sessions: SessionStore | undefined
  /** The shared counters of failed attempts; undefined if each replica counts on its own. */
  attempts: AttemptStore | undefined
  /** The readiness check of Redis; undefined if it is not configured. */
  checkRedis: ReadinessChecks[string]
  /** Waits briefly for Redis, then subscribes to the changes that other replicas publish. */
  join: (
    credentials: Pick<Credentials, 'noteChange' | 'revalidateAll'>,
    sessions?: Pick<Sessions, 'handleEvent' | 'recheckAll'>,
  ) => Promise<void>
  /** Reads the certificates for Redis again, for new connections. */
  prepareReload: PrepareReload
  leave: () => void
}>

type Deps = Readonly<{ log: Logger; countCall: RedisCallOptions['countCall'] }> &
  Pick<SharedCacheOptions, 'rules'> &
  Readonly<{ keys: Keyring }> &
  Pick<RedisOptions, 'traceCall'>

/** Replicas coordinate through Redis if it is configured, otherwise through Elasticsearch alone. */
export async function createReplicas(
  options: ReturnType<typeof replicasOptions>,
  { keys, rules, log, countCall, traceCall }: Deps,
): Promise<Replicas> {
  if (options === undefined) return withoutRedis
  const { connection, sharesUserStates, hasSessions, lockTtlMs } = options
  const { createRedis, parseSessionEvent } = await import('../redis/redis.ts') // loaded only if configured
  const redis = createRedis({ connection, countCall, onStateChange: createReport(log), traceCall })
  return Object.freeze<Replicas>({
    states: sharesUserStates
      ? createSharedCache({
          store: redis.store,
          keys,
          rules,
          lockTtlMs,
          now: Date.now,
          monotonicNow: () => performance.now(),
          sleep: (milliseconds) => sleep(milliseconds),
        })
      : noSharedStates,
    sweepLease: createSweepLease(redis.store, rules, keys),
    sessions: redis.sessions,
    attempts: redis.attempts,
    checkRedis: hasSessions ? redis.checkSessions : redis.check,
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
    prepareReload: (next) => redis.prepareRenewal(redisConnection(next).tls),
    leave: redis.close,
  })
}

const withoutRedis: Replicas = Object.freeze({
  states: noSharedStates,
  sweepLease: noSweepLease,
  sessions: undefined,
  attempts: undefined,
  checkRedis: undefined,
  join: async () => {},
  prepareReload: () => () => {},
  leave: () => {},
})

function createReport(log: Logger): RedisCallOptions['onStateChange'] {
  return (change) => {
    if (change.state === 'up') logEvent(log, 'redis_up', {}, 'connected to Redis again')
    else logEvent(log, 'redis_down', {}, `Redis: ${change.reason}; continuing without it`)
  }
}
