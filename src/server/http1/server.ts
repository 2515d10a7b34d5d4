import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import { http1Limits, maxHeaderCount } from '../listen/limits.ts'
import type { ListenerHandlers, RequestTimeouts } from '../listen/listener.ts'
import { drainBody } from './drain-body.ts'
import { createPendingResponses } from './pending-responses.ts'
import { createMessageClasses, DroppedRequest, mustBeLast } from './pipelining-limit.ts'
import { UpgradeResponse } from './upgrade-response.ts'

/**
 * HTTP/1.1, with or without TLS: the options for creating a Node server, and `attach`, which connects that server to
 * the handlers.
 */
export function createHttp1Protocol(handlers: ListenerHandlers, timeouts: RequestTimeouts) {
  const { onRequest, isUpgrade, onConnect, onClientError } = handlers
  let isClosing = false
  let closeIdle = () => {}
  const pending = createPendingResponses(closeIdleSoon)

  function onRequestHead(request: IncomingMessage, response: ServerResponse): void {
    if (request instanceof DroppedRequest) return
    pending.add(response)
    if (mustBeLast(pending.requestsOn(request.socket))) response.shouldKeepAlive = false
    response.on('close', onResponseClose)
    // The connection must close after a request with `Upgrade`, or it would allow request smuggling: even if the
    // upgrade is not accepted, Node discards the rest of the chunk and parses the next chunk as the start of a request.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
    onRequest(request, response, faultOf(request))
  }

  function onResponseClose(this: ServerResponse): void {
    pending.remove(this)
    drainBody(this.req, timeouts.drainMs)
    closeIdleSoon()
  }

  /** A response that began before the shutdown has no `Connection: close`, so its connection has to be closed here. */
  function closeIdleSoon(): void {
    if (isClosing) setImmediate(closeIdle)
  }

  return Object.freeze({
    options: {
      ...http1Limits,
      ...createMessageClasses(pending.hasLastRequest),
      requestTimeout: timeouts.requestMs,
      requireHostHeader: false,
      // An upgrade that is pipelined behind pending responses is handled as an ordinary request, because the tunnel's
      // bytes would overtake those responses.
      shouldUpgradeCallback: (request: IncomingMessage) =>
        !(request instanceof DroppedRequest) &&
        isUpgrade(request) &&
        request.socket.writable &&
        !pending.hasPending(request.socket),
    },
    attach(server: Server): void {
      // Node considers a connection idle as soon as its response has ended, and would destroy it before all bytes have
      // been sent. This method, which Node's `close` calls too, therefore does nothing while there are unsent bytes.
      // The shutdown is not delayed, because idle connections are closed again later.
      const closeIdleConnections = server.closeIdleConnections.bind(server)
      closeIdle = server.closeIdleConnections = () => {
        isClosing = true
        if (!pending.hasUnflushed()) closeIdleConnections()
      }
      // Node silently drops headers beyond this number, so one more than allowed is kept to detect and reject the
      // request. Without a limit, 64 KiB could contain 10,000 headers, which occupy ten times as much memory.
      server.maxHeadersCount = maxHeaderCount + 1
      // Requests with `Expect` are handled like any other: elastauth may send the final response without `100
      // Continue`. Node then closes the connection, because it cannot know whether the client will still send the body.
      server.on('request', onRequestHead).on('checkContinue', onRequestHead).on('checkExpectation', onRequestHead)
      server.on('upgrade', (request, stream, head) =>
        onRequest(request, new UpgradeResponse(request, stream as Socket, head), faultOf(request)),
      )
      // Node detaches itself from a connection with a CONNECT request, so pending responses on it would notice neither
      // `drain` nor a disconnect.
      server.on('connect', (_request, stream) => {
        if (!pending.destroyPending(stream as Socket)) onConnect(stream as Socket)
      })
      server.on('clientError', (error, stream) =>
        pending.runWhenFlushed(stream as Socket, () => onClientError(error, stream as Socket)),
      )
    },
  })
}

/** Node could reject a missing Host header (RFC 9112, section 3.2) itself, but without a log line. */
function faultOf({ rawHeaders, headers, httpVersion }: IncomingMessage): GatewayError | undefined {
  if (rawHeaders.length > 2 * maxHeaderCount)
    return new GatewayError('headers_too_large', `more than ${maxHeaderCount} headers`)
  if (headers.host === undefined && httpVersion === '1.1') return new GatewayError('payload_invalid', 'no Host header')
  return undefined
}
