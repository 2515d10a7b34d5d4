import type { IncomingMessage, ServerResponse } from 'node:http'
import { asGatewayError, type GatewayError } from '../http/errors.ts'
import type { ListenerScope, ModeHandler } from '../http/handler.ts'
import { RequestContext } from '../http/request-context.ts'
import { type GatewayResponse, isUnsent, type OwnCredential, type StreamedResponse } from '../http/response.ts'
import type { Outcome } from '../observability/request-log.ts'
import { waitForPreviousResponses } from './http1/connection.ts'
import { limitStall } from './http1/stall-limit.ts'
import { UpgradeResponse } from './http1/upgrade-response.ts'
import type { ListenerHandlers } from './listen/listener.ts'
import type { RequestHandlers, ServerOptions } from './options.ts'
import { route } from './router.ts'

export type RequestHandlerOptions = Pick<ServerOptions, 'handlers' | 'logRequest' | 'logFault' | 'metrics'> &
  Readonly<{
    /** What the listener serves. */
    serves: ListenerScope
    nextRequestId: () => string
    /** Whether the server is shutting down. */
    isClosing: () => boolean
  }>

/** Handles the requests of a listener in all protocols, including upgrades. Always sends a response. */
export function createRequestHandler({
  handlers,
  logRequest,
  logFault,
  metrics,
  serves,
  nextRequestId,
  isClosing,
}: RequestHandlerOptions): ListenerHandlers['onRequest'] {
  async function handleRequest(
    request: IncomingMessage,
    response: ServerResponse,
    fault: GatewayError | undefined,
    onAuthenticated: (() => void) | undefined,
  ): Promise<void> {
    let routes = handlers()
    let context = new RequestContext(request, routes.reader, nextRequestId(), performance.now())
    metrics?.requestStarted()
    let result: GatewayResponse | StreamedResponse
    let username: string | undefined
    let credential: OwnCredential | undefined
    let error: GatewayError | undefined
    try {
      const previous = routes.waitsForPreviousResponses ? waitForPreviousResponses(request, response) : undefined
      if (previous !== undefined) {
        await previous
        routes = handlers() // a reload may have replaced them meanwhile
        context = new RequestContext(request, routes.reader, context.id, context.startedAt)
      }
      rejectFault(fault)
      const handled = handlerOf(request, response, routes, serves)(context)
      result = handled instanceof Promise ? await handled : handled
      username = result.username
      credential = result.credential
      if (username !== undefined) onAuthenticated?.()
      if ('stream' in result) await streamResponse(response, result)
    } catch (thrown) {
      // Every error of a request is caught here.
      error = asGatewayError(thrown)
      metrics?.failed(error.code)
      result = routes.renderError(request, error, context.id)
      if (response.headersSent) return abortResponse(context, response, { username, credential, error })
      context.respondedAt = undefined // this response is elastauth's own
    }
    finishRequest(context, response, result, { username, credential, error, isProbe: result.isProbe })
  }

  function streamResponse(response: ServerResponse, result: StreamedResponse): Promise<void> {
    if (isClosing()) response.shouldKeepAlive = false
    return result.stream(response)
  }

  /** Sends the response, unless its handler has already streamed it. */
  function finishRequest(
    context: RequestContext,
    response: ServerResponse,
    result: GatewayResponse | StreamedResponse,
    outcome: Outcome,
  ): void {
    if ('stream' in result) {
      logRequest(context, response, outcome)
      onRequestEnd(context, response.statusCode)
      return
    }
    if (isClosing() || isFramingUncertain(outcome.error)) response.shouldKeepAlive = false
    try {
      send(response, result)
    } finally {
      // After the response has been written, so that the line is logged at once if all bytes were sent; before the headers are released.
      logRequest(context, response, outcome)
    }
    if (isUnsent(response)) {
      releaseHeaders(context.request)
      limitStall(response)
    }
    // 499 as in nginx: the client has disconnected
    onRequestEnd(context, response.destroyed ? 499 : result.status)
  }

  function onRequestEnd({ request, startedAt, respondedAt }: RequestContext, status: number): void {
    if (metrics === undefined) return
    const now = performance.now()
    metrics.requestEnded(request.method ?? '', status, ((respondedAt ?? now) - startedAt) / 1000)
    if (respondedAt === undefined) return
    if (status === 101) metrics.tunnelEnded((now - respondedAt) / 1000)
    else metrics.streamEnded((now - startedAt) / 1000)
  }

  /**
   * Aborts a response after an error that occurred when its headers had been sent. Ending it normally would make the
   * truncated response look complete.
   */
  function abortResponse(context: RequestContext, response: ServerResponse, outcome: Outcome): void {
    const status = outcome.error?.code === 'client_closed' ? 499 : response.statusCode
    destroyResponse(context.request, response)
    logRequest(context, response, { ...outcome, status })
    onRequestEnd(context, status)
  }

  return function onRequest(request, response, fault, onAuthenticated) {
    handleRequest(request, response, fault, onAuthenticated).catch((error) => {
      logFault('internal', { address: request.socket.remoteAddress, error })
      response.destroy()
    })
  }
}

/** Throws GatewayError not_found or method_not_allowed. */
function handlerOf(
  request: IncomingMessage,
  response: ServerResponse,
  routes: RequestHandlers,
  serves: ListenerScope,
): ModeHandler {
  const handle = route(request, routes, serves)
  return response instanceof UpgradeResponse ? routes.upgrade! : handle
}

function rejectFault(fault: GatewayError | undefined): void {
  if (fault !== undefined) throw fault
}

/** Whether the end of the request is not known: after invalid data, or too many headers, of which Node ignores some. */
function isFramingUncertain(error: GatewayError | undefined): boolean {
  return error?.code === 'payload_invalid' || error?.code === 'headers_too_large'
}

function send(response: ServerResponse, { status, headers, body }: GatewayResponse): void {
  response.statusCode = status
  if (response.destroyed) return // Node 24 would take the response for sent
  response.writeHead(status, headers).end(body) // for HEAD, Node omits the body
}

/**
 * Releases the memory of a request's headers, because a client that does not read may keep the response pending for a
 * long time.
 */
function releaseHeaders(request: IncomingMessage): void {
  request.rawHeaders = []
  request.headers = {}
}

/**
 * Destroys an unfinished response. An HTTP/1.0 connection is reset instead of closed, because closing it would complete
 * a response without a length (RFC 9112, section 8).
 */
function destroyResponse({ httpVersion }: IncomingMessage, response: ServerResponse): void {
  const { socket } = response
  if (httpVersion === '1.0' && socket?.remoteFamily !== undefined && !('encrypted' in socket)) socket.resetAndDestroy()
  else response.destroy()
}
