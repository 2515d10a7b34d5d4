import type { ServerResponse } from 'node:http'
import { pinoHttp } from 'pino-http'
import { peerIp } from '../../config/hosts.ts'
import { errorTable, type GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { isValidRequestId } from '../http/request-id.ts'
import { isUnsent, type OwnCredential } from '../http/response.ts'
import { parseTraceparent } from '../http/traceparent.ts'
import { denialFieldsOf } from './events.ts'
import type { Logger } from './log.ts'
import type { LogFields } from './log-fields.ts'
import { boundName } from './logged-names.ts'
import { createIsOmitted, type OmissionRules } from './omitted-requests.ts'
import { sanitize } from './sanitize.ts'

/** How a request ended. */
export type Outcome = Readonly<{
  username?: string | undefined
  /** The client's own credential at Elasticsearch. */
  credential?: OwnCredential | undefined
  error?: GatewayError | undefined
  /** The status that the client received. Set only if the response was aborted. */
  status?: number | undefined
  /** Whether the request was a health probe or a scrape, and has a response that is not an error. */
  isProbe?: boolean | undefined
}>

/** The fields that name the trace of a request, and elastauth's span in it. */
export type TraceFields = Readonly<{ 'trace.id'?: string | undefined; 'span.id'?: string | undefined }>
export type TraceOf = (context: RequestContext) => TraceFields

/** `level` is that of all lines, not only of those for requests. */
export type RequestLogOptions = OmissionRules & Readonly<{ level: string }>

export type RequestLog = Readonly<{
  logRequest: LogRequest
  /** @returns a function that applies other options */
  prepareReload: (options: RequestLogOptions) => () => void
}>

export type LogRequest = (context: RequestContext, response: ServerResponse, outcome: Outcome) => void

/** @param traceOf by default the trace that the client names: elastauth has no spans if tracing is off */
export function createRequestLog(log: Logger, initial: OmissionRules, traceOf: TraceOf = callerTraceOf): RequestLog {
  let current = createLogRequest(log, initial, traceOf)
  return Object.freeze({
    logRequest: (context, response, outcome) => current(context, response, outcome),
    prepareReload: (options) => () => {
      log.level = options.level
      current = createLogRequest(log, options, traceOf) // pino-http keeps the level that it found
    },
  })
}

/**
 * Logs one line per request, when its response has been sent or its client has disconnected. pino-http's own listeners are
 * not used, because they create two loggers per request, and would log all headers, including `Authorization`.
 */
function createLogRequest(log: Logger, rules: OmissionRules, traceOf: TraceOf): LogRequest {
  const isOmitted = createIsOmitted(rules)
  const omit = () => undefined
  const { logger } = pinoHttp({
    logger: log,
    wrapSerializers: false,
    serializers: { req: omit, res: omit, err: omit },
  })

  return function logRequest(context, response, outcome) {
    const level = levelOf(outcome)
    if (!logger.isLevelEnabled(level)) return
    if (level === 'info' && !outcome.error && isOmitted?.(context.original.target, statusSoFar(response))) return
    // Read now: a closed connection has no address, and the headers of a request are released with its response.
    const fields = requestFieldsOf(context, outcome, traceOf(context))
    const { detail } = outcome.error ?? {}
    let isWritten = false

    function writeLine(): void {
      if (isWritten) return // faster than to remove both listeners
      isWritten = true
      const status = outcome.status ?? statusOf(response)
      fields['http.response.status_code'] = status
      fields['event.duration'] = Math.round((performance.now() - context.startedAt) * 1e6) // nanoseconds
      const parts = [fields['http.request.method'], fields['url.path'], status]
      if (detail !== undefined) parts.push(detail)
      logger[level](fields, parts.join(' ')) // formatted faster than a concatenation: see request-id.ts
    }

    if (response.destroyed || isSent(response)) writeLine()
    else response.on('finish', writeLine).on('close', writeLine)
  }
}

/** The status of a response that may not have been sent yet. */
function statusSoFar(response: ServerResponse): number {
  return response.destroyed ? statusOf(response) : response.statusCode
}

function levelOf({ error, isProbe }: Outcome): 'debug' | 'info' | 'warn' | 'error' {
  if (error) return errorTable[error.code].level
  return isProbe ? 'debug' : 'info'
}

/** The id that the client gave its request, if it is valid. Node joins several headers with commas, which are not. */
function clientRequestIdOf({ request: { headers } }: RequestContext): string | undefined {
  const { 'x-request-id': id } = headers
  return typeof id === 'string' && isValidRequestId(id) ? id : undefined
}

/** The trace that the client names, if `traceparent` is valid. */
export function callerTraceOf({ request: { headers } }: RequestContext): TraceFields {
  const { traceparent } = headers
  return { 'trace.id': typeof traceparent === 'string' ? parseTraceparent(traceparent)?.traceId : undefined }
}

/** Field names of the Elastic Common Schema. The status and the duration are set when the response has been sent. */
export function requestFieldsOf(context: RequestContext, { username, credential, error }: Outcome, trace: TraceFields) {
  const { method, domain, path } = sanitize(context.original)
  const fields = {
    'http.request.id': context.id,
    'labels.client_request_id': clientRequestIdOf(context),
    'trace.id': trace['trace.id'],
    'span.id': trace['span.id'],
    'http.request.method': method,
    'url.domain': domain,
    'url.path': path,
    'http.response.status_code': 0,
    'event.duration': 0,
    'client.ip': context.clientAddress,
    'source.ip': peerIp(context.request.socket.remoteAddress),
    'user.name': username ?? error?.username,
  }
  if (credential !== undefined) Object.assign(fields, credentialFieldsOf(credential))
  return error === undefined ? fields : Object.assign(fields, errorFieldsOf(error))
}

/** Elasticsearch does not limit the names of keys. */
function credentialFieldsOf({ realm, id, name }: OwnCredential): LogFields {
  return {
    'elastauth.credential.realm': boundName(realm),
    'elastauth.credential.id': id && boundName(id),
    'elastauth.credential.name': name && boundName(name),
  }
}

function errorFieldsOf({ code, cause }: GatewayError) {
  return {
    ...denialFieldsOf(code),
    'error.code': code,
    'error.stack_trace': code === 'internal' && cause instanceof Error ? cause.stack : undefined,
  }
}

/**
 * The status to log: 499, as in nginx, if the client disconnected before the response was sent. That does not apply to
 * a tunnel, whose 101 response is not written through the object.
 */
export function statusOf(response: ServerResponse): number {
  const { statusCode } = response
  return isSent(response) || statusCode === 101 ? statusCode : 499
}

function isSent(response: ServerResponse): boolean {
  if (response.writableFinished) return true
  const hasFailed = response.destroyed || response.socket?.errored // a reset connection is destroyed only after the write
  return response.writableEnded && !hasFailed && !isUnsent(response)
}
