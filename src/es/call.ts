import { errors } from '@elastic/elasticsearch'
import { type ErrorCode, GatewayError } from '../http/errors.ts'

/** A 401 for elastauth's service account counts as a starting node for this long, and as wrong credentials after that. */
const startGraceMs = 60_000

export type Operation =
  | 'user_read'
  | 'user_write'
  | 'user_authenticate'
  | 'client_authenticate'
  | 'profile_activate'
  | 'ping'
export type CallResult = 'ok' | 'unavailable' | 'rejected'

export type Call = <T>(operation: Operation, call: () => Promise<T>) => Promise<T>

export type CallOptions = Readonly<{
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
  /** Undefined if metrics are disabled. @param seconds the duration of the call */
  countCall?: ((operation: Operation, result: CallResult, seconds: number) => void) | undefined
}>

/**
 * Runs the calls of elastauth's service account, counts the results, and converts errors.
 * The returned function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected.
 */
export function createCall({ monotonicNow, countCall }: CallOptions): Call {
  // A starting node responds with 401 to all logins until its security index is available. A wrong password causes the same
  // 401, but permanently, so only the duration distinguishes the two.
  let rejectedSince: number | undefined

  return async function call(operation, run) {
    const startedAt = monotonicNow()
    try {
      const result = await run()
      if (!operation.endsWith('_authenticate')) rejectedSince = undefined // another login does not prove that the service account works
      countCall?.(operation, 'ok', (monotonicNow() - startedAt) / 1000)
      return result
    } catch (error) {
      rejectedSince = isLoginRejection(error) ? (rejectedSince ?? monotonicNow()) : undefined
      const isPermanent = rejectedSince !== undefined && monotonicNow() - rejectedSince > startGraceMs
      const failure = toGatewayError(error, isPermanent ? 'elasticsearch_rejected' : 'elasticsearch_unavailable')
      const outcome = failure.code === 'elasticsearch_rejected' ? 'rejected' : 'unavailable'
      countCall?.(operation, outcome, (monotonicNow() - startedAt) / 1000)
      throw failure
    }
  }
}

/** True for Elasticsearch's own 401. Any other 401 comes from an intermediary and says nothing about the password. */
export function isLoginRejection(error: unknown): boolean {
  return statusOf(error) === 401 && (error as errors.ResponseError).body?.error?.type === 'security_exception'
}

/** @param loginRejectionCode the code for a 401 to elastauth's service account */
function toGatewayError(error: unknown, loginRejectionCode: ErrorCode): GatewayError {
  if (error instanceof GatewayError) return error
  const status = statusOf(error)
  if (isLoginRejection(error)) {
    const detail =
      'Elasticsearch responded with 401 to our service account: elasticsearch.username and password (or api_key) are wrong, ' +
      'or the node has just started and its security index is not ready'
    return new GatewayError(loginRejectionCode, detail)
  }
  const detail = reasonOf(error)
  // Elasticsearch's errors have an `error` object. A response without one comes from an intermediary and may be temporary.
  const isOwn = error instanceof errors.ResponseError && error.body?.error !== undefined
  const isTemporary = status === undefined || status === 429 || status >= 500 || !isOwn
  return new GatewayError(isTemporary ? 'elasticsearch_unavailable' : 'elasticsearch_rejected', detail)
}

function statusOf(error: unknown): number | undefined {
  return error instanceof errors.ResponseError ? error.statusCode : undefined
}

/**
 * Elasticsearch's reason, which names the missing privilege for a 403. The client's error is dropped, because it contains the
 * request with its credentials.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof errors.ResponseError))
    return error instanceof Error ? `${error.name}: ${withOwnAdvice(error.message)}` : String(error)
  const reason: unknown = error.body?.error?.reason
  return `Elasticsearch responded with ${error.statusCode}: ${typeof reason === 'string' ? reason : 'no reason given'}`
}

/** Replaces Node's advice to use a command-line option with the name of the configuration key. */
function withOwnAdvice(message: string): string {
  return message.replace(/; if the root CA is installed locally.*$/, '; put its CA into elasticsearch.ca_cert')
}
