import { ReplyError } from 'ioredis'

export type RedisOperation = 'ping' | 'read' | 'offer' | 'claim' | 'finish' | 'doubt' | 'session_read' | 'session_write'
/** A full or read-only Redis carries out the others all the same. */
const writes: readonly RedisOperation[] = ['offer', 'claim', 'finish', 'session_write']

export type RedisResult = 'ok' | 'unreachable' | 'refused'

/** Runs one call. Rejects with an Error whose message may be logged. */
export type RedisCall = <T>(operation: RedisOperation, call: () => Promise<T>) => Promise<T>

export type RedisCallOptions = Readonly<{
  /** For one call, in milliseconds. */
  timeout: number
  /** Why there is no connection, where that is known. */
  whyApart: () => string | undefined
  /** Called when a response is overdue: the responses to later calls wait behind it on the same connection. */
  reconnect: () => void
  count: (operation: RedisOperation, result: RedisResult) => void
  /** Called once when things begin to fail, and once when they work again. */
  report: (change: Readonly<{ state: 'down'; reason: string } | { state: 'up' }>) => void
}>

/** For the `catch` of a read: a value of the wrong type counts as absent. */
export function nothingOfWrongType(error: unknown): null {
  if (error instanceof ReplyError && (error as Error).message.startsWith('WRONGTYPE')) return null
  throw error
}

/** After how many times its timeout an overdue response makes us reconnect. */
const graceFactor = 2

/** Gives every call its deadline, and tells when Redis goes and comes back. */
export function createRedisCall({ timeout, whyApart, reconnect, count, report }: RedisCallOptions) {
  let fault: 'unreachable' | 'refused' | undefined
  let recoveries = 0

  async function call<T>(operation: RedisOperation, run: () => Promise<T>): Promise<T> {
    const begun = recoveries
    try {
      const result = await withDeadline(run(), timeout, reconnectUnlessSettled)
      count(operation, 'ok')
      const isProof = fault === 'unreachable' || writes.includes(operation)
      if (fault && isProof) {
        fault = undefined
        recoveries++
        report({ state: 'up' })
      }
      return result
    } catch (error) {
      const result = error instanceof ReplyError ? 'refused' : 'unreachable'
      const reason = reasonOf(error, whyApart())
      count(operation, result)
      if (begun !== recoveries) throw new Error(reason) // begun before Redis came back: no news of how it is now
      if (fault === undefined) report({ state: 'down', reason })
      // A refusal outlasts the connection that is made anew because of it (READONLY): a write has to prove the contrary.
      if (fault !== 'refused') fault = result
      throw new Error(reason)
    }
  }

  /** A connection with a slow trickle of bytes is not idle, so the client's own timeouts do not close it. */
  function reconnectUnlessSettled(work: Promise<unknown>): void {
    const timer = setTimeout(reconnect, graceFactor * timeout)
    timer.unref()
    const stop = () => clearTimeout(timer)
    work.then(stop, stop)
  }

  return Object.freeze({ call: call satisfies RedisCall, isFaulty: () => fault !== undefined })
}

async function withDeadline<T>(work: Promise<T>, timeout: number, onLate: (work: Promise<T>) => void): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const giveUp = () => {
    onLate(work)
    reject(new Error(`no answer within ${timeout} ms`))
  }
  // An answer may lie in the socket while we were busy with other things: it is read before the immediate's turn.
  const timer = setTimeout(() => setImmediate(giveUp), timeout)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Redis' own words. Its error objects hold what we sent, so they go no further. */
function reasonOf(error: unknown, whyApart: string | undefined): string {
  const message = error instanceof Error ? error.message : String(error)
  if (!/enableOfflineQueue|Connection is closed|max retries per request/.test(message)) return message
  return whyApart === undefined ? 'there is no connection' : `there is no connection: ${whyApart}`
}
