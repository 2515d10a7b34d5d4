import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { GatewayError } from '../errors.ts'
import { createAnswerWriter } from './answer-writer.ts'
import { createBody, hasBody } from './body.ts'
import { clientLeft, type HeldAnswer, holdAnswer } from './held-answer.ts'
import { sendInformation } from './information.ts'
import { buildResponseHeaders } from './response-headers.ts'
import { createStallWatch } from './stall.ts'
import { toUpstreamError } from './upstream-error.ts'
import type { Upstream } from './upstreams.ts'

export type Exchange = Readonly<{
  request: IncomingMessage
  response: ServerResponse
  upstream: Upstream
  path: string
  headers: string[]
  /** How long the client may be silent in the middle of its body, in milliseconds. */
  patience: number
  /** How long the client may take nothing of the answer, in milliseconds. */
  clientTimeout: number
  /** Whether a 401 is to be given to the caller, unsent, who may know how to mend it. */
  holdRefusal: boolean
}>

export type Forwarded =
  /** The answer is out, whole. */
  | Readonly<{ kind: 'sent' }>
  /** A 401, of which the client has heard nothing. */
  | Readonly<{ kind: 'refused'; answer: HeldAnswer }>
  /** Nothing of the request was sent, so another upstream may have it. */
  | Readonly<{ kind: 'unreachable'; error: GatewayError }>

const sent: Forwarded = { kind: 'sent' }

/**
 * Sends a request upstream and its answer back, a piece at a time, each side no faster than the other takes it. When
 * one side goes, so does the other at once. Rejects with GatewayError client_closed, request_timeout, upstream_unavailable,
 * upstream_timeout, upstream_protocol; where `response.headersSent`, the answer was cut in the middle.
 */
export function forward(exchange: Exchange): Promise<Forwarded> {
  const { request, response, upstream, path, headers, patience } = exchange
  const { promise, resolve, reject } = Promise.withResolvers<Forwarded>()
  let controller: Dispatcher.DispatchController | undefined
  let held: ReturnType<typeof holdAnswer> | undefined
  const answer = createAnswerWriter(response)
  const stall = createStallWatch(response, exchange.clientTimeout, onStall)

  if (response.destroyed) return Promise.reject(clientLeft())
  response.on('close', onClose)
  const method = request.method ?? 'GET'
  const body = hasBody(request) ? createBody(request, patience) : null
  upstream.dispatch(
    { method, path, headers, body },
    { onRequestStart, onResponseStart, onResponseData, onResponseEnd, onResponseError },
  )
  return promise

  function onRequestStart(started: Dispatcher.DispatchController): void {
    controller = started
    if (response.destroyed) {
      started.abort(clientLeft())
      return
    }
    response.on('drain', onDrain)
    // The client waits for this word before it sends its body (RFC 9110, 10.1.1): only now is somebody there to take it.
    if (body && request.headers.expect !== undefined) response.writeContinue()
  }

  function onResponseStart(
    { rawHeaders }: Dispatcher.DispatchController,
    status: number,
    _: unknown,
    reason = '',
  ): void {
    const answerHeaders = buildResponseHeaders(rawHeaders as Buffer[])
    if (status < 200) sendInformation(request, response, status, answerHeaders)
    else if (status === 401 && exchange.holdRefusal) held = holdAnswer(status, answerHeaders)
    else answer.writeHead(status, reason, answerHeaders)
  }

  function onResponseData(_: unknown, chunk: Buffer): void {
    if (held?.add(chunk)) return
    if (held) release(held.answer)
    else write(chunk)
  }

  function onResponseEnd(): void {
    if (held !== undefined) {
      const refusal = held.answer
      settle(() => resolve({ kind: 'refused', answer: refusal }))
      return
    }
    answer.end()
    if (response.writableLength > 0) stall.start()
  }

  function onResponseError(_: unknown, error: Error): void {
    const failure = toUpstreamError(error, upstream.url.origin, !response.headersSent && held === undefined)
    settle(() => {
      if (controller === undefined && failure.code !== 'internal') resolve({ kind: 'unreachable', error: failure })
      else reject(failure)
    })
    body?.destroy()
  }

  function onDrain(): void {
    stall.stop()
    controller?.resume()
  }

  function onClose(): void {
    if (response.writableFinished) settle(() => resolve(sent))
    else breakOff(clientLeft())
  }

  function onStall(): void {
    breakOff(
      new GatewayError('client_closed', `the client took nothing of its answer for ${exchange.clientTimeout} ms`),
    )
  }

  function breakOff(reason: GatewayError): void {
    settle(() => reject(reason))
    controller?.abort(reason)
    body?.destroy()
  }

  function write(piece: Buffer): void {
    if (answer.write(piece)) return
    controller?.pause()
    stall.start()
  }

  function release({ status, headers: answerHeaders, body: pieces }: HeldAnswer): void {
    held = undefined
    answer.writeHead(status, '', answerHeaders)
    for (const piece of pieces) write(piece)
  }

  function settle(end: () => void): void {
    stall.stop()
    response.off('close', onClose).off('drain', onDrain)
    end()
  }
}
