import type { IncomingMessage, ServerResponse } from 'node:http'
import { pinoHttp } from 'pino-http'
import { unmapIpv4 } from '../../config/hosts.ts'
import { errorTable, type GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { denialFieldsOf } from './events.ts'
import type { Logger } from './log.ts'
import { type SanitizedRequest, sanitize } from './sanitize.ts'

/** How a request ended. */
export type Outcome = Readonly<{
  username?: string | undefined
  error?: GatewayError | undefined
  /** The status that the client received. Set only if the response was aborted. */
  status?: number | undefined
}>

type Entry = Outcome &
  Readonly<{ context: RequestContext; sanitized: SanitizedRequest; trace: TraceFields | undefined }>

/** The fields that name the span of a request. */
export type TraceFields = Readonly<{ 'trace.id': string; 'span.id': string }>

export type LogRequest = (context: RequestContext, response: ServerResponse, outcome: Outcome) => void

/**
 * Logs one line per request, when its response has been sent or its client has disconnected. pino-http detects both. By
 * default it would log all headers, including `Authorization`, so its fields are replaced by an explicit list.
 * @param traceOf undefined if tracing is off
 */
export function createLogRequest(
  log: Logger,
  traceOf?: (context: RequestContext) => TraceFields | undefined,
): LogRequest {
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
    const entry = { ...outcome, context, sanitized: sanitize(context.original), trace: traceOf?.(context) }
    if (response.destroyed) {
      // Logged directly, because pino-http would wait for an event that is not emitted.
      log[level](fieldsOf(response, entry), messageOf(response, entry))
      return
    }
    entries.set(response, entry)
    writeLine(context.request, response)
  }
}

function levelOf({ error }: Outcome): 'info' | 'warn' | 'error' {
  return error ? errorTable[error.code].level : 'info'
}

/** Field names of the Elastic Common Schema. */
function fieldsOf(response: ServerResponse, entry: Entry) {
  const { context, sanitized, error, username } = entry
  return {
    'http.request.id': context.id,
    'trace.id': entry.trace?.['trace.id'],
    'span.id': entry.trace?.['span.id'],
    'http.request.method': sanitized.method,
    'url.domain': sanitized.domain,
    'url.path': sanitized.path,
    'http.response.status_code': entry.status ?? statusOf(response),
    'event.duration': Math.round((performance.now() - context.startedAt) * 1e6), // nanoseconds
    'client.ip': unmapIpv4(context.request.socket.remoteAddress),
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
