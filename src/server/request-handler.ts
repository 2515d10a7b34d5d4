import type { IncomingMessage, ServerResponse } from 'node:http'
import { asGatewayError, type GatewayError } from '../http/errors.ts'
import type { Serves } from '../http/handler.ts'
import type { GatewayResponse, StreamedResponse } from '../http/response.ts'
import type { Outcome } from '../observability/request-log.ts'
import { waitForPreviousResponses } from './http1/previous-responses.ts'
import { isUnsent, limitStall } from './http1/stall-limit.ts'
import type { ServerOptions } from './options.ts'
import { route } from './router.ts'

export type Requests = Readonly<{
  /** Responds to a request in every case. See `Handlers`. @param serves what its listener serves */
  onRequest: (
    request: IncomingMessage,
    response: ServerResponse,
    check: (request: IncomingMessage) => void,
    serves: Serves,
    onAuthenticated: (() => void) | undefined,
  ) => void
  /** To be called when a request is over. @param startedAt `performance.now()` when it arrived */
  ended: (request: IncomingMessage, status: number, startedAt: number) => void
}>

/** What becomes of a request, by whatever listener and protocol it came. @param isClosing whether we were told to end */
export function createRequestHandler(
  { handlers, logRequest, logFault, metrics }: ServerOptions,
  nextId: () => string,
  isClosing: () => boolean,
): Requests {
  async function answerRequest(
    request: IncomingMessage,
    response: ServerResponse,
    check: (request: IncomingMessage) => void,
    serves: Serves,
    onAuthenticated: (() => void) | undefined,
  ): Promise<void> {
    const startedAt = performance.now()
    const requestId = nextId()
    let routes = handlers()
    metrics.requestStarted()
    let answer: GatewayResponse | StreamedResponse
    let username: string | undefined
    let error: GatewayError | undefined
    try {
      const turn = routes.inTurn ? waitForPreviousResponses(request, response) : undefined
      if (turn !== undefined) {
        await turn
        routes = handlers()
      }
      check(request)
      const answering = route(request, routes, serves)(request)
      answer = answering instanceof Promise ? await answering : answering
      username = answer.username
      if (username !== undefined) onAuthenticated?.()
      if ('stream' in answer) {
        if (isClosing()) response.shouldKeepAlive = false
        await answer.stream(response)
      }
    } catch (thrown) {
      // The only catch: every error of a request ends here.
      error = asGatewayError(thrown)
      metrics.failed(error.code)
      answer = routes.renderError(request, error, requestId)
      if (response.headersSent) return cutShort(request, response, { requestId, startedAt, username, error })
    }
    logRequest(request, response, { requestId, startedAt, username, error })
    if ('stream' in answer) return ended(request, response.statusCode, startedAt)
    if (isClosing() || error?.code === 'payload_invalid') response.shouldKeepAlive = false
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body) // Node leaves the body out of an answer to HEAD
    if (isUnsent(response)) {
      letGo(request)
      limitStall(response)
    }
    // nginx counts a client that has left as 499
    ended(request, response.destroyed ? 499 : answer.status, startedAt)
  }

  function ended({ method = '' }: IncomingMessage, status: number, startedAt: number): void {
    metrics.requestEnded(method, status, (performance.now() - startedAt) / 1000)
  }

  /** What is out cannot be taken back, and to end it in good order would make half an answer look whole. */
  function cutShort(request: IncomingMessage, response: ServerResponse, outcome: Outcome): void {
    const status = outcome.error?.code === 'client_closed' ? 499 : response.statusCode
    cut(request, response)
    logRequest(request, response, { ...outcome, status })
    ended(request, status, outcome.startedAt)
  }

  return Object.freeze({
    onRequest(request, response, check, serves, onAuthenticated) {
      answerRequest(request, response, check, serves, onAuthenticated).catch((error) => {
        logFault('internal', request.socket.remoteAddress, error)
        response.destroy()
      })
    },
    ended,
  })
}

/** Releases memory that is not used any more, in case the client does not read its response. */
function letGo(request: IncomingMessage): void {
  request.rawHeaders = []
  request.headers = {}
}

/** To HTTP/1.0 an answer without a length is whole when its connection ends, unless that is reset (RFC 9112, 8). */
function cut({ httpVersion }: IncomingMessage, response: ServerResponse): void {
  const { socket } = response
  if (httpVersion === '1.0' && socket?.remoteFamily !== undefined && !('encrypted' in socket)) socket.resetAndDestroy()
  else response.destroy()
}
