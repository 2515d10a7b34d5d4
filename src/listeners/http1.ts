import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../errors.ts'
import { checkHeaderCount, mostHeaders } from './header-count.ts'
import { http1Limits } from './limits.ts'
import type { Handlers } from './listener.ts'
import { createOpenAnswers } from './open-answers.ts'

/** For `createServer`, with TLS or without. */
export function http1Options({ isUpgrade }: Handlers) {
  return { ...http1Limits, shouldUpgradeCallback: isUpgrade, requireHostHeader: false }
}

/** Lets the handlers hear of all that an HTTP/1.1 server, with TLS or without, has to tell. */
export function attachHandlers(server: Server, handlers: Handlers): void {
  const { onRequest, onUpgrade, refuseTunnel, refuseFaulty } = handlers
  const { follow, speakAfter, cut } = createOpenAnswers()
  const listener: Parameters<Server['on']>[1] = (request, response) => {
    follow(response)
    onRequest(request, response, checkHead)
  }
  // Node drops the rest in silence: one too many is kept for us to see. Without a bound, a head of 64 KiB could hold
  // 10,000 headers, which fill ten times as much memory before there is a request to refuse.
  server.maxHeadersCount = mostHeaders + 1
  // Who waits for our word before sending a body may get its answer without one. Node then closes the connection: a body may still come or not.
  server.on('request', listener).on('checkContinue', listener).on('checkExpectation', listener)
  server.on('upgrade', (request, stream, head) => onUpgrade(request, stream as Socket, head))
  // Node lets go of a connection that asks for a tunnel: an answer before it would hear neither `drain` nor the client leave.
  server.on('connect', (_request, stream) => {
    if (!cut(stream as Socket)) refuseTunnel(stream as Socket)
  })
  server.on('clientError', (error, stream) => speakAfter(stream as Socket, () => refuseFaulty(error, stream as Socket)))
}

/** Throws GatewayError headers_too_large, payload_invalid: no Host (RFC 9112, 3.2), which Node would refuse unseen. */
function checkHead(request: IncomingMessage): void {
  checkHeaderCount(request)
  if (request.headers.host === undefined && request.httpVersion === '1.1')
    throw new GatewayError('payload_invalid', 'no Host header')
}
