import { GatewayError } from '../http/errors.ts'

/** Runs a task when it is its turn. */
export type ConcurrencyLimit = <T>(task: () => Promise<T>) => Promise<T>

/**
 * At most `running` tasks at a time, `waiting` more in line, and no others: rejects those with GatewayError
 * provider_unavailable. Whoever shows us made-up tokens, or codes, must not keep others from the same provider.
 */
export function createConcurrencyLimit(running: number, waiting: number): ConcurrencyLimit {
  const line: (() => void)[] = []
  let free = running

  return async function inTurn(task) {
    if (free > 0) free--
    else {
      if (line.length >= waiting)
        throw new GatewayError('provider_unavailable', `the identity provider: ${waiting} questions wait to be asked`)
      await new Promise<void>((resolve) => line.push(resolve))
    }
    try {
      return await task()
    } finally {
      const next = line.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
