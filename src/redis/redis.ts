import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import { createRedisCall, type RedisCallOptions } from './call.ts'
import { type ChangesOptions, subscribeToChanges } from './changes.ts'
import { connectForCommands, connectForMessages, type RedisConnection, type RedisTls } from './connect.ts'
import { createSessionStore, probeSessions } from './sessions.ts'
import { channel, createStore } from './store.ts'

export { parseSessionEvent } from './sessions.ts'

export type RedisOptions = Readonly<{ connection: RedisConnection }> & Pick<RedisCallOptions, 'count' | 'report'>

/** How long the start waits for a first connection, in milliseconds. */
const startPatience = 1000

/** Redis, as far as we use it: a store of short values, and news of their changes. */
export function createRedis({ connection: given, count, report }: RedisOptions) {
  const tls = given.tls && { ...given.tls }
  const connection: RedisConnection = { ...given, tls }
  const commands = connectForCommands(connection)
  let whyApart: string | undefined
  commands.on('error', ({ message, lastNodeError }: Error & { lastNodeError?: Error }) => {
    whyApart = lastNodeError?.message ?? message
  })
  const { call, isFaulty } = createRedisCall({
    timeout: connection.timeout,
    whyApart: () => whyApart,
    reconnect: () => commands.disconnect(true),
    count,
    report,
  })
  const store = createStore(commands, call)
  const sessions = createSessionStore(commands, call)
  const stopped = new AbortController()

  /** Rejects with a reason that may be logged. */
  async function ping(): Promise<void> {
    await call('ping', () => commands.ping())
  }

  return Object.freeze({
    store,
    sessions,
    ping,
    /** Tries all that we need, rights and memory included: leaves a mark of a user that cannot be, for a second. */
    async probe(withSessions: boolean): Promise<void> {
      await ping()
      const probe = { username: '~', token: 'probe', ttlMs: 1000 }
      await store.claim({ ...probe, expected: undefined, force: true })
      await store.finish({ ...probe, value: 'probe', stateId: '', taintTtlMs: 1000 })
      if (withSessions) await probeSessions(sessions)
      const messages = connectForMessages(connection, 0)
      try {
        await call('ping', () => messages.connect().then(() => messages.subscribe(channel)))
      } finally {
        messages.disconnect()
      }
    },
    /** `degraded` while Redis is down, full or read-only: everything works without it. */
    check: () =>
      ping().then(
        () => (isFaulty() ? 'degraded' : undefined),
        () => 'degraded' as const,
      ),
    /** Waits a moment for the first connection, so that the first requests find it; says so when there is none. */
    async start(): Promise<void> {
      if (commands.status !== 'ready') {
        const late = sleep(startPatience, undefined, { ref: false })
        await Promise.race([once(commands, 'ready').catch(() => {}), late])
      }
      await ping().catch(() => {})
      commands.on('ready', () => ping().catch(() => {})) // so that its return is known before a request needs it
    },
    /** Does not come to an end until `close`. */
    listen(listeners: Pick<ChangesOptions, 'onChange' | 'onListening'>): void {
      const connect = (attempt: number) => connectForMessages(connection, attempt)
      void subscribeToChanges({ ...listeners, connect }, stopped.signal)
    },
    /** @returns what lets connections be made with these from then on. Throws when they are broken. */
    prepareRenewal(next: RedisTls | undefined): () => void {
      if (tls === undefined || next === undefined) return () => {}
      createSecureContext(next)
      return () => void Object.assign(tls, next)
    },
    close(): void {
      stopped.abort()
      commands.disconnect()
    },
  })
}
