import { randomBytes } from 'node:crypto'

/** Ids for requests: unguessable start per process, then a count. Cheap, and unique over replicas. */
export function createRequestId(): () => string {
  const prefix = randomBytes(6).toString('hex')
  let count = 0
  return () => `${prefix}-${(count++).toString(36)}`
}
