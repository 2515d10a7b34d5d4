import type { IncomingMessage, ServerResponse } from 'node:http'
import { pinoHttp } from 'pino-http'
import { errorTable, type GatewayError } from './errors.ts'
import type { Logger } from './log.ts'

/** How a request ended. */
export type Outcome = Readonly<{
  requestId: string
  /** `performance.now()` when it arrived. */
  startedAt: number
  username?: string | undefined
  error?: GatewayError | undefined
}>

/** What was asked for, as the client asked it. `path` is without the query, which may hold a secret. */
export type Asked = Readonly<{ method: string; path: string; domain?: string | undefined }>

export type LogRequest = (request: IncomingMessage, response: ServerResponse, outcome: Outcome) => void

/**
 * One line per request, when its answer is out or its client is gone. pino-http knows when that is; what it would
 * write by itself (every header, `Authorization` too) is replaced by a list of fields of our own.
 */
export function createLogRequest(log: Logger, askedBy: (request: IncomingMessage) => Asked): LogRequest {
  const outcomes = new WeakMap<ServerResponse, Outcome>()
  const nothing = () => undefined
  const fields = (request: IncomingMessage, response: ServerResponse) =>
    fieldsOf(request, response, outcomes.get(response)!, askedBy(request))
  const message = (request: IncomingMessage, response: ServerResponse) =>
    messageOf(response, outcomes.get(response)!, askedBy(request))

  const writeLine = pinoHttp({
    logger: log,
    wrapSerializers: false,
    serializers: { req: nothing, res: nothing, err: nothing },
    genReqId: (_request, response) => outcomes.get(response)!.requestId,
    customLogLevel: (_request, response) => levelOf(outcomes.get(response)!),
    customSuccessObject: fields,
    customErrorObject: fields,
    customSuccessMessage: message,
    customErrorMessage: message,
  })

  return function logRequest(request, response, outcome) {
    if (!log.isLevelEnabled(levelOf(outcome))) return
    outcomes.set(response, outcome)
    writeLine(request, response)
  }
}

function levelOf({ error }: Outcome): 'info' | 'warn' | 'error' {
  return error ? errorTable[error.code].level : 'info'
}

function fieldsOf(request: IncomingMessage, response: ServerResponse, outcome: Outcome, asked: Asked) {
  const { error, username } = outcome
  return {
    'http.request.id': outcome.requestId,
    'http.request.method': asked.method,
    'url.domain': asked.domain,
    'url.path': asked.path,
    'http.response.status_code': statusOf(response),
    'event.duration': Math.round((performance.now() - outcome.startedAt) * 1e6), // ECS wants nanoseconds
    'client.ip': request.socket.remoteAddress,
    'user.name': username ?? error?.username,
    'error.code': error?.code,
    'error.stack_trace': error?.code === 'internal' && error.cause instanceof Error ? error.cause.stack : undefined,
  }
}

function messageOf(response: ServerResponse, { error }: Outcome, { method, path }: Asked): string {
  const line = `${method} ${path} ${statusOf(response)}`
  return error ? `${line} ${error.detail}` : line
}

/** 499 where the client left before its answer: a number of nginx's, only ever logged. */
function statusOf(response: ServerResponse): number {
  return response.writableFinished ? response.statusCode : 499
}
