import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import { http1Limits } from '../listen/limits.ts'
import type { Handlers, RequestTimeouts } from '../listen/listener.ts'
import { boundRest } from './drain-body.ts'
import { checkHeaderCount, mostHeaders } from './header-limit.ts'
import { createOpenAnswers } from './pending-responses.ts'
import { createMessageClasses, DroppedRequest, mustBeLast } from './pipelining-limit.ts'

/** HTTP/1.1, with TLS or without: what a server is made with, and what then lets the handlers hear of all that it tells. */
export function createHttp1(handlers: Handlers, timeouts: RequestTimeouts) {
  const { onRequest, isUpgrade, onUpgrade, refuseTunnel, refuseFaulty } = handlers
  let isClosing = false
  let closeIdle = () => {}
  const { follow, forget, isOpen, requestsOn, hasLast, isAnyEnding, speakAfter, cut } = createOpenAnswers(lookAgain)

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
    boundRest(this.req, timeouts.rest)
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
      requestTimeout: timeouts.whole,
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
      server.maxHeadersCount = mostHeaders + 1
      // Who waits for our word before sending a body may get its answer without one. Node then closes the connection: a body may still come or not.
      server.on('request', onHead).on('checkContinue', onHead).on('checkExpectation', onHead)
      server.on('upgrade', (request, stream, head) => onUpgrade(request, stream as Socket, head))
      // Node lets go of a connection that asks for a tunnel: an answer before it would hear neither `drain` nor the client leave.
      server.on('connect', (_request, stream) => {
        if (!cut(stream as Socket)) refuseTunnel(stream as Socket)
      })
      server.on('clientError', (error, stream) =>
        speakAfter(stream as Socket, () => refuseFaulty(error, stream as Socket)),
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
