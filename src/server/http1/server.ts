import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import { http1Limits } from '../listen/limits.ts'
import type { ListenerHandlers, RequestTimeouts } from '../listen/listener.ts'
import { drainBody } from './drain-body.ts'
import { checkHeaderCount, maxHeaderCount } from './header-limit.ts'
import { createPendingResponses } from './pending-responses.ts'
import { createMessageClasses, DroppedRequest, mustBeLast } from './pipelining-limit.ts'

/** HTTP/1.1, with TLS or without: what a server is made with, and what then lets the handlers hear of all that it tells. */
export function createHttp1Protocol(handlers: ListenerHandlers, timeouts: RequestTimeouts) {
  const { onRequest, isUpgrade, onUpgrade, onConnect, onClientError } = handlers
  let isClosing = false
  let closeIdle = () => {}
  const { follow, forget, isOpen, requestsOn, hasLast, isAnyEnding, speakAfter, cut } =
    createPendingResponses(lookAgain)

  function onHead(request: IncomingMessage, response: ServerResponse): void {
    if (request instanceof DroppedRequest) return
    follow(response)
    if (mustBeLast(requestsOn(request.socket))) response.shouldKeepAlive = false
    response.on('close', onAnswered)
    // Not taken as one, an upgrade ends Node's reading all the same: what came in one piece with it, and belongs to the
    // next request, is lost, and what comes later would be taken for a request in its place.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
    onRequest(request, response, checkHead)
  }

  function onAnswered(this: ServerResponse): void {
    forget(this)
    drainBody(this.req, timeouts.drainMs)
    lookAgain()
  }

  /** What began before we were told to close has no `Connection: close` in its answer, and nobody else closes it. */
  function lookAgain(): void {
    if (isClosing) setImmediate(closeIdle)
  }

  return Object.freeze({
    options: {
      ...http1Limits,
      ...createMessageClasses(hasLast),
      requestTimeout: timeouts.requestMs,
      requireHostHeader: false,
      // Where answers are still to go out, an upgrade is an ordinary request: a tunnel's bytes would go before them.
      shouldUpgradeCallback: (request: IncomingMessage) =>
        !(request instanceof DroppedRequest) &&
        isUpgrade(request) &&
        request.socket.writable &&
        !isOpen(request.socket),
    },
    attach(server: Server): void {
      // To Node a connection is idle, and is cut, when its answer has ended, be it out or on its way. While one is on its
      // way, the idle ones stay as well: we would not end sooner without them. Node's `close` calls this, too.
      const closeEnded = server.closeIdleConnections.bind(server)
      closeIdle = server.closeIdleConnections = () => {
        isClosing = true
        if (!isAnyEnding()) closeEnded()
      }
      // Node drops the rest in silence: one too many is kept for us to see. Without a bound, a head of 64 KiB could hold
      // 10,000 headers, which fill ten times as much memory before there is a request to refuse.
      server.maxHeadersCount = maxHeaderCount + 1
      // Who waits for our word before sending a body may get its answer without one. Node then closes the connection: a body may still come or not.
      server.on('request', onHead).on('checkContinue', onHead).on('checkExpectation', onHead)
      server.on('upgrade', (request, stream, head) => onUpgrade(request, stream as Socket, head))
      // Node lets go of a connection that asks for a tunnel: an answer before it would hear neither `drain` nor the client leave.
      server.on('connect', (_request, stream) => {
        if (!cut(stream as Socket)) onConnect(stream as Socket)
      })
      server.on('clientError', (error, stream) =>
        speakAfter(stream as Socket, () => onClientError(error, stream as Socket)),
      )
    },
  })
}

/** Throws GatewayError headers_too_large, payload_invalid: no Host (RFC 9112, 3.2), which Node would refuse unseen. */
function checkHead(request: IncomingMessage): void {
  checkHeaderCount(request)
  if (request.headers.host === undefined && request.httpVersion === '1.1')
    throw new GatewayError('payload_invalid', 'no Host header')
}
