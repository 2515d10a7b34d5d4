import { ReplyError } from 'ioredis'

export type RedisOperation = 'ping' | 'read' | 'offer' | 'claim' | 'finish' | 'doubt'
export type RedisResult = 'ok' | 'unreachable' | 'refused'

/** Runs one call. Rejects with an Error whose message may be logged. */
export type RedisCall = <T>(operation: RedisOperation, call: () => Promise<T>) => Promise<T>

export type RedisCallOptions = Readonly<{
  /** For one call, in milliseconds. */
  timeout: number
  count: (operation: RedisOperation, result: RedisResult) => void
  /** Called once when things begin to fail, and once when they work again. */
  report: (change: Readonly<{ state: 'down'; reason: string } | { state: 'up' }>) => void
}>

/** Gives every call its deadline, and tells when Redis goes and comes back. */
export function createRedisCall({ timeout, count, report }: RedisCallOptions) {
  let fault: 'unreachable' | 'refused' | undefined

  async function call<T>(operation: RedisOperation, run: () => Promise<T>): Promise<T> {
    try {
      const result = await withDeadline(run(), timeout)
      count(operation, 'ok')
      // A full or read-only Redis still answers reads.
      const isProof = fault === 'unreachable' || (operation !== 'read' && operation !== 'ping')
      if (fault && isProof) {
        fault = undefined
        report({ state: 'up' })
      }
      return result
    } catch (error) {
      const result = error instanceof ReplyError ? 'refused' : 'unreachable'
      count(operation, result)
      if (fault === undefined) report({ state: 'down', reason: reasonOf(error) })
      fault = result
      throw new Error(reasonOf(error))
    }
  }

  return Object.freeze({ call: call satisfies RedisCall, isFaulty: () => fault !== undefined })
}

async function withDeadline<T>(work: Promise<T>, timeout: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeout} ms`)), timeout)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Redis' own words. Its error objects hold what we sent, so they go no further. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (/enableOfflineQueue|Connection is closed|max retries per request/.test(message)) return 'there is no connection'
  return message
}
