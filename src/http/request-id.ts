import { randomBytes } from 'node:crypto'

/**
 * Creates request ids from a random prefix and a counter. The prefix differs for each process, so the ids are unique
 * across replicas. People read them out: hexadecimal digits do not include o, i and l, which look like 0 and 1.
 */
export function createRequestIds(): () => string {
  const prefix = randomBytes(6).toString('hex')
  let count = 0
  // V8 would keep a concatenation in two parts, for which the `JSON.stringify` of a log line takes twice as long.
  return () => [prefix, (count++).toString(16)].join('-')
}

/**
 * Whether a client's own request id may be logged and forwarded: one value of `X-Request-Id` that is short, and whose
 * characters have no meaning in a log or a query of it.
 */
export function isValidRequestId(value: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(value)
}
