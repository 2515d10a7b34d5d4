import { ReplyError } from 'ioredis'
import { withDeadline } from '../async/deadline.ts'

/** The values of a metric label. */
export type RedisOperation = 'ping' | 'read' | 'offer' | 'claim' | 'finish' | 'doubt' | 'session_read' | 'session_write'
/** A Redis that is full or read-only still executes the other operations. */
const writes: readonly RedisOperation[] = ['offer', 'claim', 'finish', 'session_write']

/** The values of a metric label. `refused`: Redis responded with an error. */
export type RedisResult = 'ok' | 'unreachable' | 'refused'

/** Runs one call. Rejects with an Error whose message may be logged. */
export type RedisCall = <T>(operation: RedisOperation, call: () => Promise<T>) => Promise<T>

export type RedisCallOptions = Readonly<{
  /** For each call. */
  timeoutMs: number
  /** Why there is no connection, if that is known. */
  disconnectReason: () => string | undefined
  /** Called when a response is overdue: the responses to later calls wait behind it on the same connection. */
  reconnect: () => void
  count: (operation: RedisOperation, result: RedisResult) => void
  /** Called once when calls begin to fail, and once when they succeed again. */
  onStateChange: (change: Readonly<{ state: 'down'; reason: string } | { state: 'up' }>) => void
}>

/** For the `catch` of a read: a value of the wrong type counts as absent. */
export function absentIfWrongType(error: unknown): null {
  if (error instanceof ReplyError && (error as Error).message.startsWith('WRONGTYPE')) return null
  throw error
}

/** An overdue response causes a new connection after this many timeouts. */
const reconnectFactor = 2

/** Gives every call a deadline, and reports when Redis becomes unavailable and available again. */
export function createRedisCall(options: RedisCallOptions) {
  const { timeoutMs, disconnectReason, reconnect, count, onStateChange } = options
  let fault: 'unreachable' | 'refused' | undefined
  let recoveries = 0

  async function call<T>(operation: RedisOperation, run: () => Promise<T>): Promise<T> {
    const recoveriesBefore = recoveries
    try {
      const work = run()
      const result = await withDeadline(work, timeoutMs, () => {
        reconnectUnlessSettled(work)
        return new Error(`no response within ${timeoutMs} ms`)
      })
      count(operation, 'ok')
      recordSuccess(operation)
      return result
    } catch (error) {
      const reason = reasonOf(error, disconnectReason())
      const result = error instanceof ReplyError ? 'refused' : 'unreachable'
      count(operation, result)
      // A call from before the recovery says nothing about the present state.
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

  /** `refused` is kept, because the reconnect that READONLY causes makes other calls fail as `unreachable`. */
  function recordFailure(result: 'unreachable' | 'refused', reason: string): void {
    if (fault === undefined) onStateChange({ state: 'down', reason })
    if (fault !== 'refused') fault = result
  }

  /** A connection on which bytes trickle in is not idle, so the timeouts of ioredis do not close it. */
  function reconnectUnlessSettled(work: Promise<unknown>): void {
    const timer = setTimeout(reconnect, reconnectFactor * timeoutMs)
    timer.unref()
    const stop = () => clearTimeout(timer)
    work.then(stop, stop)
  }

  return Object.freeze({ call: call satisfies RedisCall, isFaulty: () => fault !== undefined })
}

/** The message of Redis. The error objects of ioredis contain the arguments of the call, so they are dropped. */
function reasonOf(error: unknown, disconnectReason: string | undefined): string {
  const message = error instanceof Error ? error.message : String(error)
  if (!/enableOfflineQueue|Connection is closed|max retries per request/.test(message)) return message
  return disconnectReason === undefined ? 'not connected' : `not connected: ${disconnectReason}`
}
