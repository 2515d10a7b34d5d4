import type { IncomingMessage, ServerResponse } from 'node:http'
import { pinoHttp } from 'pino-http'
import { toIp } from '../../config/hosts.ts'
import { errorTable, type GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { isValidRequestId } from '../http/request-id.ts'
import { parseTraceparent } from '../http/traceparent.ts'
import { denialFieldsOf } from './events.ts'
import type { Logger } from './log.ts'
import { createIsOmitted, type OmissionRules } from './omitted-requests.ts'
import { type SanitizedRequest, sanitize } from './sanitize.ts'

/** How a request ended. */
export type Outcome = Readonly<{
  username?: string | undefined
  error?: GatewayError | undefined
  /** The status that the client received. Set only if the response was aborted. */
  status?: number | undefined
  /** Whether the request was a health probe, and has a response that is not an error. */
  isProbe?: boolean | undefined
}>

type Entry = Outcome &
  Readonly<{
    context: RequestContext
    sanitized: SanitizedRequest
    addresses: Addresses
    clientRequestId: string | undefined
    trace: TraceFields
  }>

/** The fields that name the trace of a request, and elastauth's span in it. */
export type TraceFields = Readonly<{ 'trace.id'?: string | undefined; 'span.id'?: string | undefined }>
type TraceOf = (context: RequestContext) => TraceFields

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
      current = createLogRequest(log, options, traceOf) // pino-http keeps the level that it has found
    },
  })
}

/**
 * Logs one line per request, when its response has been sent or its client has disconnected. pino-http detects both. By
 * default it would log all headers, including `Authorization`, so its fields are replaced by an explicit list.
 */
function createLogRequest(log: Logger, rules: OmissionRules, traceOf: TraceOf): LogRequest {
  const isOmitted = createIsOmitted(rules)
  const entries = new WeakMap<ServerResponse, Entry>()
  const omit = () => undefined
  const fields = (_request: IncomingMessage, response: ServerResponse) => fieldsOf(response, entries.get(response)!)
  const message = (_request: IncomingMessage, response: ServerResponse) => messageOf(response, entries.get(response)!)

  const writeLine = pinoHttp({
    logger: log,
    wrapSerializers: false,
    serializers: { req: omit, res: omit, err: omit },
    genReqId: (_request, response) => entries.get(response)!.context.id,
    customLogLevel: (_request, response) => levelOf(entries.get(response)!),
    customSuccessObject: fields,
    customErrorObject: fields,
    customSuccessMessage: message,
    customErrorMessage: message,
  })

  return function logRequest(context, response, outcome) {
    const level = levelOf(outcome)
    if (!log.isLevelEnabled(level)) return
    const sanitized = sanitize(context.original)
    if (level === 'info' && !outcome.error && isOmitted?.(context.original.target, statusSoFar(response))) return
    const entry = {
      ...outcome,
      context,
      sanitized,
      // Read now: a closed connection has no address, and the headers of a request are released with its response.
      addresses: addressesOf(context),
      clientRequestId: clientRequestIdOf(context),
      trace: traceOf(context),
    }
    if (response.destroyed) {
      // Logged directly, because pino-http would wait for an event that is not emitted.
      log[level](fieldsOf(response, entry), messageOf(response, entry))
      return
    }
    entries.set(response, entry)
    writeLine(context.request, response)
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

type Addresses = Readonly<{ client: string | undefined; peer: string | undefined }>

function addressesOf({ clientAddress, request }: RequestContext): Addresses {
  return { client: clientAddress, peer: toIp(request.socket.remoteAddress) }
}

/** The id that the client has given to its request, if it is valid. Node joins several headers with commas, which is not. */
function clientRequestIdOf({ request: { headers } }: RequestContext): string | undefined {
  const { 'x-request-id': id } = headers
  return typeof id === 'string' && isValidRequestId(id) ? id : undefined
}

/** The trace that the client names, if `traceparent` is valid. */
function callerTraceOf({ request: { headers } }: RequestContext): TraceFields {
  const { traceparent } = headers
  return { 'trace.id': typeof traceparent === 'string' ? parseTraceparent(traceparent)?.traceId : undefined }
}

/** Field names of the Elastic Common Schema. */
function fieldsOf(
  response: ServerResponse,
  { context, sanitized, addresses, clientRequestId, trace, ...entry }: Entry,
) {
  const { error, status, username } = entry
  return {
    'http.request.id': context.id,
    'labels.client_request_id': clientRequestId,
    'trace.id': trace['trace.id'],
    'span.id': trace['span.id'],
    'http.request.method': sanitized.method,
    'url.domain': sanitized.domain,
    'url.path': sanitized.path,
    'http.response.status_code': status ?? statusOf(response),
    'event.duration': Math.round((performance.now() - context.startedAt) * 1e6), // nanoseconds
    'client.ip': addresses.client,
    'source.ip': addresses.peer,
    'user.name': username ?? error?.username,
    ...(error && denialFieldsOf(error.code)),
    'error.code': error?.code,
    'error.stack_trace': error?.code === 'internal' && error.cause instanceof Error ? error.cause.stack : undefined,
  }
}

function messageOf(response: ServerResponse, { error, status, sanitized }: Entry): string {
  const { method, path } = sanitized
  const line = `${method} ${path} ${status ?? statusOf(response)}`
  return error ? `${line} ${error.detail}` : line
}

/**
 * The status to log: 499, as in nginx, if the client disconnected before the response was sent. That does not apply to
 * a tunnel, whose 101 response is not written through the object.
 */
export function statusOf({ writableFinished, statusCode }: ServerResponse): number {
  return writableFinished || statusCode === 101 ? statusCode : 499
}
