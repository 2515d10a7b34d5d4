import { errors } from '@elastic/elasticsearch'
import { GatewayError } from '../http/errors.ts'

/** How long our service account may be refused before we stop calling it "not available yet", in milliseconds. */
const startGrace = 60_000

export type Operation = 'user_read' | 'user_write' | 'user_authenticate' | 'ping'
export type CallResult = 'ok' | 'unavailable' | 'rejected'

export type Call = <T>(operation: Operation, call: () => Promise<T>) => Promise<T>

export type CallOptions = Readonly<{
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
  report: (operation: Operation, result: CallResult) => void
}>

/**
 * Runs calls that our service account makes and turns their failures into ours.
 * The returned function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected.
 */
export function createCall({ monotonicNow, report }: CallOptions): Call {
  // A node that has just started answers 401 to everybody until its security index is up; a wrong password is the same
  // 401 for good. Only time tells them apart.
  let refusedSince: number | undefined

  return async function call(operation, run) {
    try {
      const result = await run()
      if (operation !== 'user_authenticate') refusedSince = undefined // that one is the user's login, not ours
      report(operation, 'ok')
      return result
    } catch (error) {
      refusedSince = isLoginRejection(error) ? (refusedSince ?? monotonicNow()) : undefined
      const late = refusedSince !== undefined && monotonicNow() - refusedSince > startGrace
      const failure = toGatewayError(error, late)
      report(operation, failure.code === 'elasticsearch_rejected' ? 'rejected' : 'unavailable')
      throw failure
    }
  }
}

/** Elasticsearch's own 401. Any other comes from an intermediary, and does not concern the password. */
export function isLoginRejection(error: unknown): boolean {
  return statusOf(error) === 401 && (error as errors.ResponseError).body?.error?.type === 'security_exception'
}

function toGatewayError(error: unknown, refusedForLong: boolean): GatewayError {
  if (error instanceof GatewayError) return error
  const status = statusOf(error)
  if (isLoginRejection(error)) {
    const detail =
      'Elasticsearch answered 401 to our service account: elasticsearch.username and password (or api_key) are wrong, ' +
      'or the node has just started and its security index is not ready'
    return new GatewayError(refusedForLong ? 'elasticsearch_rejected' : 'elasticsearch_unavailable', detail)
  }
  const detail = reasonOf(error)
  // An error of Elasticsearch has a type. One without comes from an intermediary, and may be temporary.
  const isOwn = error instanceof errors.ResponseError && error.body?.error !== undefined
  const passing = status === undefined || status === 429 || status >= 500 || !isOwn
  return new GatewayError(passing ? 'elasticsearch_unavailable' : 'elasticsearch_rejected', detail)
}

function statusOf(error: unknown): number | undefined {
  return error instanceof errors.ResponseError ? error.statusCode : undefined
}

/** Elasticsearch's own words: for a 403 they name the privilege that is missing. Its error object holds our request, so it goes no further. */
function reasonOf(error: unknown): string {
  if (!(error instanceof errors.ResponseError))
    return error instanceof Error ? `${error.name}: ${ownAdvice(error.message)}` : String(error)
  const reason: unknown = error.body?.error?.reason
  return `Elasticsearch answered ${error.statusCode}: ${typeof reason === 'string' ? reason : 'no reason given'}`
}

/** Node's advice is for who starts Node by hand. */
function ownAdvice(message: string): string {
  return message.replace(/; if the root CA is installed locally.*$/, '; put its CA into elasticsearch.ca_cert')
}
