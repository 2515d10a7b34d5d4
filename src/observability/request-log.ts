import type { IncomingMessage, ServerResponse } from 'node:http'
import { pinoHttp } from 'pino-http'
import type { OriginalRequestOf } from '../auth/original-request.ts'
import { errorTable, type GatewayError } from '../http/errors.ts'
import type { Logger } from './log.ts'
import { type SanitizedRequest, sanitize } from './sanitize.ts'

/** How a request ended. */
export type Outcome = Readonly<{
  requestId: string
  /** `performance.now()` when it arrived. */
  startedAt: number
  username?: string | undefined
  error?: GatewayError | undefined
  /** What the client was told, where the response does not know: it was cut in the middle, or there was none. */
  status?: number | undefined
}>

type Ending = Outcome & Readonly<{ asked: SanitizedRequest }>

/** `response` is undefined where the connection became something other than HTTP. */
export type LogRequest = (request: IncomingMessage, response: ServerResponse | undefined, outcome: Outcome) => void

/**
 * One line per request, when its answer is out or its client is gone. pino-http knows when that is; what it would
 * write by itself (every header, `Authorization` too) is replaced by a list of fields of our own.
 */
export function createLogRequest(log: Logger, originalOf: OriginalRequestOf): LogRequest {
  const endings = new WeakMap<ServerResponse, Ending>()
  const nothing = () => undefined
  const fields = (request: IncomingMessage, response: ServerResponse) =>
    fieldsOf(request, response, endings.get(response)!)
  const message = (_request: IncomingMessage, response: ServerResponse) => messageOf(response, endings.get(response)!)

  const writeLine = pinoHttp({
    logger: log,
    wrapSerializers: false,
    serializers: { req: nothing, res: nothing, err: nothing },
    genReqId: (_request, response) => endings.get(response)!.requestId,
    customLogLevel: (_request, response) => levelOf(endings.get(response)!),
    customSuccessObject: fields,
    customErrorObject: fields,
    customSuccessMessage: message,
    customErrorMessage: message,
  })

  return function logRequest(request, response, outcome) {
    const level = levelOf(outcome)
    if (!log.isLevelEnabled(level)) return
    const ending = { ...outcome, asked: sanitize(originalOf(request)) }
    if (response === undefined || response.destroyed) {
      // It is over already: no event will come.
      log[level](fieldsOf(request, response, ending), messageOf(response, ending))
      return
    }
    endings.set(response, ending)
    writeLine(request, response)
  }
}

function levelOf({ error }: Outcome): 'info' | 'warn' | 'error' {
  return error ? errorTable[error.code].level : 'info'
}

function fieldsOf(request: IncomingMessage, response: ServerResponse | undefined, ending: Ending) {
  const { asked, error, username } = ending
  return {
    'http.request.id': ending.requestId,
    'http.request.method': asked.method,
    'url.domain': asked.domain,
    'url.path': asked.path,
    'http.response.status_code': ending.status ?? statusOf(response),
    'event.duration': Math.round((performance.now() - ending.startedAt) * 1e6), // ECS wants nanoseconds
    'client.ip': request.socket.remoteAddress,
    'user.name': username ?? error?.username,
    'error.code': error?.code,
    'error.stack_trace': error?.code === 'internal' && error.cause instanceof Error ? error.cause.stack : undefined,
  }
}

function messageOf(response: ServerResponse | undefined, { error, status, asked: { method, path } }: Ending): string {
  const line = `${method} ${path} ${status ?? statusOf(response)}`
  return error ? `${line} ${error.detail}` : line
}

/** 499 where the client left before its answer: a number of nginx's, only ever logged. */
function statusOf(response: ServerResponse | undefined): number {
  return response?.writableFinished ? response.statusCode : 499
}
