import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { GatewayError } from '../errors.ts'
import { createAnswerWriter } from './answer-writer.ts'
import { createBody, hasBody } from './body.ts'
import { sendInformation } from './information.ts'
import { buildResponseHeaders } from './response-headers.ts'
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

export type HeldAnswer = Readonly<{ status: number; headers: string[]; body: Buffer[] }>

/** A 401 with a body beyond this is no message, and is passed on as it comes. In bytes. */
const longestHeld = 64 * 1024

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
  let held: HeldAnswer | undefined
  let heldLength = 0
  const answer = createAnswerWriter(response)

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
    else if (status === 401 && exchange.holdRefusal) held = { status, headers: answerHeaders, body: [] }
    else answer.writeHead(status, reason, answerHeaders)
  }

  function onResponseData(_: unknown, chunk: Buffer): void {
    if (held !== undefined) {
      hold(held, chunk)
      return
    }
    if (!answer.write(chunk)) controller?.pause()
  }

  function onResponseEnd(): void {
    if (held === undefined) answer.end()
    else settle(() => resolve({ kind: 'refused', answer: held! }))
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
    controller?.resume()
  }

  function onClose(): void {
    if (response.writableFinished) {
      resolve(sent)
      return
    }
    const reason = clientLeft()
    settle(() => reject(reason))
    controller?.abort(reason)
    body?.destroy()
  }

  function hold({ status, headers: answerHeaders, body: pieces }: HeldAnswer, chunk: Buffer): void {
    pieces.push(chunk)
    heldLength += chunk.length
    if (heldLength <= longestHeld) return
    held = undefined
    answer.writeHead(status, '', answerHeaders)
    for (const piece of pieces) answer.write(piece)
  }

  function settle(end: () => void): void {
    response.off('close', onClose).off('drain', onDrain)
    end()
  }
}

function clientLeft(): GatewayError {
  return new GatewayError('client_closed', 'the client left before its answer was out')
}
