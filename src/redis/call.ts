import { ReplyError } from 'ioredis'
import { withDeadline } from '../async/deadline.ts'
import { escapeControls } from '../http/escape-controls.ts'

/** The values of a metric label. */
export type RedisOperation =
  | 'ping'
  | 'read'
  | 'compare_and_set'
  | 'acquire_lock'
  | 'release_lock'
  | 'taint'
  | 'session_read'
  | 'session_write'
  | 'attempt_read'
  | 'attempt_write'
/** The operations that fail on a Redis that is full or read-only. */
const writes: readonly RedisOperation[] = [
  'compare_and_set',
  'acquire_lock',
  'release_lock',
  'session_write',
  'attempt_write',
]

/** The values of a metric label. `refused`: Redis responded with an error. */
export type RedisResult = 'ok' | 'unreachable' | 'refused'

/** Runs one call. Rejects with an Error whose message may be logged. */
export type RedisCall = <T>(operation: RedisOperation, call: () => Promise<T>) => Promise<T>

export type RedisCallOptions = Readonly<{
  /** The time limit for each call. */
  timeoutMs: number
  /** Why Redis is not connected; undefined if unknown. */
  disconnectReason: () => string | undefined
  /** Called when a response is overdue, because it blocks the responses to later calls on the same connection. */
  reconnect: () => void
  /** Undefined if metrics are disabled. @param seconds the duration of the call */
  countCall?: ((operation: RedisOperation, result: RedisResult, seconds: number) => void) | undefined
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
  /** Called once when calls begin to fail, and once when they succeed again. */
  onStateChange: (change: Readonly<{ state: 'down'; reason: string } | { state: 'up' }>) => void
}>

/** Handles the error of a read: a value of the wrong type counts as absent. */
export function absentIfWrongType(error: unknown): null {
  if (error instanceof ReplyError && (error as Error).message.startsWith('WRONGTYPE')) return null
  throw error
}

/** An overdue response causes a reconnect after this multiple of the timeout. */
const reconnectFactor = 2

/** Gives every call a deadline, and reports when Redis becomes unavailable and available again. */
export function createRedisCall(options: RedisCallOptions) {
  const { timeoutMs, disconnectReason, reconnect, countCall, monotonicNow, onStateChange } = options
  let fault: 'unreachable' | 'refused' | undefined
  let recoveries = 0

  async function call<T>(operation: RedisOperation, run: () => Promise<T>): Promise<T> {
    const recoveriesBefore = recoveries
    const startedAt = monotonicNow()
    try {
      const work = run()
      const result = await withDeadline(work, timeoutMs, () => {
        reconnectUnlessSettled(work)
        return new Error(`no response within ${timeoutMs} ms`)
      })
      countCall?.(operation, 'ok', (monotonicNow() - startedAt) / 1000)
      recordSuccess(operation)
      return result
    } catch (error) {
      const reason = reasonOf(error, disconnectReason())
      const result = error instanceof ReplyError ? 'refused' : 'unreachable'
      countCall?.(operation, result, (monotonicNow() - startedAt) / 1000)
      // A call that started before a recovery says nothing about the present state.
      if (recoveriesBefore === recoveries) recordFailure(result, reason)
      throw new Error(reason)
    }
  }

  /** After an error response such as READONLY, only a successful write proves that Redis has recovered. */
  function recordSuccess(operation: RedisOperation): void {
    if (fault === undefined || (fault === 'refused' && !writes.includes(operation))) return
    fault = undefined
    recoveries++
    onStateChange({ state: 'up' })
  }

  /** Keeps `refused`, because READONLY causes a reconnect, during which other calls fail as `unreachable`. */
  function recordFailure(result: 'unreachable' | 'refused', reason: string): void {
    if (fault === undefined) onStateChange({ state: 'down', reason })
    if (fault !== 'refused') fault = result
  }

  /** ioredis closes only idle connections, and a connection on which bytes trickle in is not idle. */
  function reconnectUnlessSettled(work: Promise<unknown>): void {
    const timer = setTimeout(reconnect, reconnectFactor * timeoutMs)
    timer.unref()
    const stop = () => clearTimeout(timer)
    work.then(stop, stop)
  }

  return Object.freeze({ call: call satisfies RedisCall, isFaulty: () => fault !== undefined })
}

/** What ioredis says when it is not connected, instead of the reason. */
const notConnectedMessages = ['enableOfflineQueue', 'Connection is closed', 'max retries per request']

/** The message of an error, for the log. The error object is dropped, because ioredis stores the arguments of the call in it. */
function reasonOf(error: unknown, disconnectReason: string | undefined): string {
  const message = escapeControls(error instanceof Error ? error.message : String(error))
  if (!notConnectedMessages.some((part) => message.includes(part))) return message
  return disconnectReason === undefined ? 'not connected' : `not connected: ${escapeControls(disconnectReason)}`
}
