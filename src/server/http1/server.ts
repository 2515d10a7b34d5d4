import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import { http1Limits } from '../listen/limits.ts'
import type { ListenerHandlers, RequestTimeouts } from '../listen/listener.ts'
import { drainBody } from './drain-body.ts'
import { checkHeaderCount, maxHeaderCount } from './header-limit.ts'
import { createPendingResponses } from './pending-responses.ts'
import { createMessageClasses, DroppedRequest, mustBeLast } from './pipelining-limit.ts'

/**
 * HTTP/1.1, with or without TLS: the options to create a Node server with, and `attach`, which connects it to the
 * handlers.
 */
export function createHttp1Protocol(handlers: ListenerHandlers, timeouts: RequestTimeouts) {
  const { onRequest, isUpgrade, onUpgrade, onConnect, onClientError } = handlers
  let isClosing = false
  let closeIdle = () => {}
  const pending = createPendingResponses(closeIdleSoon)

  function onRequestHead(request: IncomingMessage, response: ServerResponse): void {
    if (request instanceof DroppedRequest) return
    pending.add(response)
    if (mustBeLast(pending.requestsOn(request.socket))) response.shouldKeepAlive = false
    response.on('close', onResponseClose)
    // Node stops parsing after an upgrade request, even if the upgrade is not accepted. The rest of the chunk, which
    // belongs to the next request, is lost, and the next chunk would be parsed as the start of a request (request
    // smuggling).
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
    onRequest(request, response, checkHead)
  }

  function onResponseClose(this: ServerResponse): void {
    pending.remove(this)
    drainBody(this.req, timeouts.drainMs)
    closeIdleSoon()
  }

  /**
   * At shutdown, a response that had begun before has no `Connection: close`, so its connection has to be closed here.
   */
  function closeIdleSoon(): void {
    if (isClosing) setImmediate(closeIdle)
  }

  return Object.freeze({
    options: {
      ...http1Limits,
      ...createMessageClasses(pending.hasLastRequest),
      requestTimeout: timeouts.requestMs,
      requireHostHeader: false,
      // Behind pending responses, an upgrade is an ordinary request: the bytes of a tunnel would overtake them.
      shouldUpgradeCallback: (request: IncomingMessage) =>
        !(request instanceof DroppedRequest) &&
        isUpgrade(request) &&
        request.socket.writable &&
        !pending.hasPending(request.socket),
    },
    attach(server: Server): void {
      // For Node, a connection is idle, and is destroyed, as soon as its response has ended, even if bytes are still to
      // be sent. While there is such a response, no idle connection is closed, which does not delay the shutdown.
      // Node's `close` calls this method as well.
      const closeIdleConnections = server.closeIdleConnections.bind(server)
      closeIdle = server.closeIdleConnections = () => {
        isClosing = true
        if (!pending.hasUnflushed()) closeIdleConnections()
      }
      // Node drops further headers silently; one more than allowed is kept so that the request can be rejected. Without
      // a limit, a head of 64 KiB could contain 10,000 headers, which occupy ten times its size in memory.
      server.maxHeadersCount = maxHeaderCount + 1
      // The final response may be sent without 100 Continue. Node then closes the connection, because it cannot know
      // whether the body follows.
      server.on('request', onRequestHead).on('checkContinue', onRequestHead).on('checkExpectation', onRequestHead)
      server.on('upgrade', (request, stream, head) => onUpgrade(request, stream as Socket, head))
      // Node detaches a connection with a CONNECT request: pending responses would see neither `drain` nor a
      // disconnect.
      server.on('connect', (_request, stream) => {
        if (!pending.destroyPending(stream as Socket)) onConnect(stream as Socket)
      })
      server.on('clientError', (error, stream) =>
        pending.runWhenFlushed(stream as Socket, () => onClientError(error, stream as Socket)),
      )
    },
  })
}

/**
 * Throws GatewayError headers_too_large, or payload_invalid without a Host (RFC 9112, section 3.2), which Node would
 * reject unlogged.
 */
function checkHead(request: IncomingMessage): void {
  checkHeaderCount(request)
  if (request.headers.host === undefined && request.httpVersion === '1.1')
    throw new GatewayError('payload_invalid', 'no Host header')
}
