import { once } from 'node:events'
import { createSecureContext } from 'node:tls'
import { isPlainPort, mayBeTlsPort } from '../http/tls-mismatch.ts'
import { attemptRights, createAttemptStore, probeAttempts } from './attempts.ts'
import { createRedisCall, type RedisCall, type RedisCallOptions } from './call.ts'
import { type ChangesOptions, subscribeToChanges } from './changes.ts'
import { connectForCommands, connectForMessages, type RedisConnection, type RedisTls } from './connect.ts'
import { createSessionStore, probeSessions, sessionRights } from './sessions.ts'
import { channel, createStore } from './store.ts'

export { parseSessionEvent } from './sessions.ts'

export type RedisOptions = Readonly<{
  connection: RedisConnection
  /** Traces each call; undefined if tracing is off. */
  traceCall?: ((call: RedisCall) => RedisCall) | undefined
}> &
  Pick<RedisCallOptions, 'countCall' | 'onStateChange'>

/** `start` waits `cache.redis_timeout` for the first connection, but at least this long. */
const minStartTimeoutMs = 1000

/** Creates the connections to Redis, through which replicas share user states, sessions, and messages about changes of both. */
export function createRedis({ connection: given, countCall, onStateChange, traceCall }: RedisOptions) {
  const tls = given.tls && { ...given.tls }
  const connection: RedisConnection = { ...given, tls }
  const commands = connectForCommands(connection)
  let lastError: string | undefined
  let wasConnected = false
  commands.on('error', (error: Error & { lastNodeError?: Error }) => {
    lastError = describeError(error.lastNodeError ?? error, tls !== undefined)
  })
  commands.on('close', () => {
    if (!wasConnected && tls === undefined) lastError ??= `the server closed the connection; ${tlsHint}`
  })
  commands.on('ready', () => {
    wasConnected = true
    lastError = undefined
  })
  const calls = createRedisCall({
    timeoutMs: connection.timeoutMs,
    disconnectReason: () => lastError,
    reconnect: () => commands.disconnect(true),
    countCall,
    monotonicNow: () => performance.now(),
    onStateChange,
  })
  const call = traceCall?.(calls.call) ?? calls.call
  const store = createStore(commands, call)
  const sessions = createSessionStore(commands, call)
  const attempts = createAttemptStore(commands, call)
  const stopped = new AbortController()

  /** Rejects with a reason that may be logged. */
  async function ping(): Promise<void> {
    await call('ping', () => commands.ping())
  }

  return Object.freeze({
    store,
    sessions,
    attempts,
    ping,
    /**
     * Runs every operation, to expose missing permissions or a full memory. Leaves a value for one second, under a username
     * that cannot occur.
     */
    async probe(withSessions: boolean, withAttempts = false): Promise<void> {
      await ping()
      const probe = { username: '~', token: 'probe', ttlMs: 1000 }
      await store.acquireLock({ ...probe, expected: undefined, force: true })
      await store.releaseLock({ ...probe, value: 'probe', stateId: '', taintTtlMs: 1000 })
      if (withSessions) await probeSessions(sessions).catch(explainRights('sessions', sessionRights))
      if (withAttempts) await probeAttempts(attempts).catch(explainRights('failed sign-ins', attemptRights))
      const messages = connectForMessages(connection, 0)
      try {
        await call('ping', () => messages.connect().then(() => messages.subscribe(channel)))
      } finally {
        messages.disconnect()
      }
    },
    /** How many replicas are subscribed to messages of others. A cluster's nodes each know only their own subscribers. */
    async countReplicas(): Promise<number> {
      const [, count] = await call('ping', () => commands.pubsub('NUMSUB', channel) as Promise<unknown[]>)
      return Number(count)
    },
    /** The section `memory` of INFO. */
    readMemory: (): Promise<string> => call('ping', () => commands.info('memory')),
    /** `degraded` while Redis is down, full or read-only. Requests are then served without Redis. */
    check: () =>
      ping().then(
        () => (calls.isFaulty() ? 'degraded' : undefined),
        () => 'degraded' as const,
      ),
    /** Rejects unless Redis stores values. Without Redis, users whose session is in Redis cannot be served. */
    checkSessions: () => sessions.useOnce('ready', 1000),
    /**
     * Waits for the first connection, so that the first requests can use Redis. Reports a failure if Redis is not connected in
     * time. @param maxMs the caller's own limit
     */
    async start(maxMs = Number.POSITIVE_INFINITY): Promise<void> {
      if (commands.status !== 'ready') {
        const timeoutMs = Math.min(maxMs, Math.max(minStartTimeoutMs, connection.timeoutMs))
        await once(commands, 'ready', { signal: AbortSignal.timeout(timeoutMs) }).catch(() => {
          lastError ??= `no connection within ${timeoutMs} ms`
        })
      }
      await ping().catch(() => {})
      commands.on('ready', () => ping().catch(() => {})) // reports the recovery before a request needs Redis
    },
    /** Subscribes to the messages of other replicas, until `close`. */
    listen(listeners: Pick<ChangesOptions, 'onChange' | 'onListening'>): void {
      const connect = (attempt: number) => connectForMessages(connection, attempt)
      void subscribeToChanges({ ...listeners, connect }, stopped.signal)
    },
    /** @returns a function that lets new connections use these certificates. Throws if they are invalid. */
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

/** Redis does not name the command if a script may not run it. */
function explainRights(what: string, rights: string) {
  return (error: Error): never => {
    if (!/no permissions|can't run this command/.test(error.message)) throw error
    throw new Error(`${error.message}: for ${what}, the user of Redis needs the rights ${rights}`)
  }
}

const tlsHint = 'if it expects TLS, write rediss:// in cache.redis_url, or set cache.redis_tls: true'

function describeError(error: Error, usesTls: boolean): string {
  if (usesTls && isPlainPort(error))
    return 'the server does not speak TLS on this port: write redis:// in cache.redis_url or set cache.redis_tls: false, or correct the port'
  return !usesTls && mayBeTlsPort(error)
    ? `${error.message.replace(/ Please report this\.$/, '')}; ${tlsHint}`
    : error.message
}
