import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { GatewayError } from '../http/errors.ts'
import { createBody, expectsContinue, hasBody } from './body.ts'
import { type BufferedResponse, clientClosed, createResponseBuffer } from './buffered-response.ts'
import type { BuildResponseHeaders } from './headers/response-headers.ts'
import { sendInformational } from './informational.ts'
import { ResponseWriter } from './response-writer.ts'
import { isStaleConnection } from './routing/pool.ts'
import type { Upstream } from './routing/upstreams.ts'
import { createSendTimeout, type SendTimeout } from './send-timeout.ts'
import { toUpstreamError } from './upstream-error.ts'

export type Exchange = Readonly<{
  request: IncomingMessage
  response: ServerResponse
  upstream: Upstream
  path: string
  headers: string[]
  /** Whether it needs a new connection, because the upstream may be closing a reused one. */
  onNewConnection: boolean
  buildResponseHeaders: BuildResponseHeaders
  /** How long the client may be silent in the middle of its body, in milliseconds. */
  bodyTimeoutMs: number
  /** How long the client may take nothing of the answer, in milliseconds. */
  clientTimeoutMs: number
  /** Whether a 401 is to be given to the caller, unsent, who may know how to fix it. */
  bufferUnauthorized: boolean
}>

export type ForwardResult =
  /** The answer is out, whole. */
  | Readonly<{ kind: 'sent' }>
  /** A 401, of which the client has heard nothing. */
  | Readonly<{ kind: 'refused'; answer: BufferedResponse }>
  /** The request was sent on a connection that the upstream was closing, and may be retried once on a new one. */
  | Readonly<{ kind: 'closed'; error: GatewayError }>
  /** Nothing of the request was sent, so another upstream may have it. */
  | Readonly<{ kind: 'unreachable'; error: GatewayError }>

const sent: ForwardResult = { kind: 'sent' }

/**
 * Sends a request upstream and its answer back, a piece at a time, each side no faster than the other takes it. When
 * one side goes, so does the other at once. Rejects with GatewayError client_closed, request_timeout, upstream_unavailable,
 * upstream_timeout, upstream_protocol; where `response.headersSent`, the answer was cut in the middle.
 */
export function forward(exchange: Exchange): Promise<ForwardResult> {
  const { request, response, upstream, path, headers, onNewConnection, bodyTimeoutMs } = exchange
  if (response.destroyed) return Promise.reject(clientClosed())
  const body = hasBody(request) ? createBody(request, bodyTimeoutMs) : null
  return new Promise((resolve, reject) => {
    const relay = new ExchangeHandler(exchange, body, { resolve, reject })
    upstream.dispatch({ method: request.method ?? 'GET', path, headers, body, onNewConnection }, relay)
  })
}

type Settlement = Readonly<{ resolve: (forwarded: ForwardResult) => void; reject: (error: GatewayError) => void }>

/**
 * What undici tells of an exchange, carried over to the client. There is one for every stream that is open, which may be
 * thousands for hours: hence methods, which all share, and closures only where an emitter needs one.
 */
class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #upstream: Upstream
  readonly #end: () => void
  readonly #buildHeaders: BuildResponseHeaders
  readonly #clientTimeout: number
  readonly #holdRefusal: boolean
  readonly #body: Readable | null
  readonly #settle: Settlement
  readonly #answer: ResponseWriter
  readonly #onClose = () => this.#closed()
  #controller: Dispatcher.DispatchController | undefined
  #hasResponseBegun = false
  #held: ReturnType<typeof createResponseBuffer> | undefined
  /** Only for a client that did not take at once what there was for it. */
  #stall: SendTimeout | undefined

  constructor(exchange: Exchange, body: Readable | null, settle: Settlement) {
    const { request, response, upstream, buildResponseHeaders, clientTimeoutMs, bufferUnauthorized } = exchange
    this.#request = request
    this.#response = response
    this.#upstream = upstream
    this.#end = upstream.trackRequest()
    this.#buildHeaders = buildResponseHeaders
    this.#clientTimeout = clientTimeoutMs
    this.#holdRefusal = bufferUnauthorized
    this.#body = body
    this.#settle = settle
    this.#answer = new ResponseWriter(response)
    response.on('close', this.#onClose)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#response.destroyed) {
      controller.abort(clientClosed())
      return
    }
    // The client waits for this word before it sends its body (RFC 9110, 10.1.1): only now is somebody there to take it.
    if (this.#body && expectsContinue(this.#request)) this.#response.writeContinue()
  }

  /** Called at the first byte of the response. */
  onResponseStarted(): void {
    this.#hasResponseBegun = true
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, reason = ''): void {
    const headers = this.#buildHeaders(controller.rawHeaders as Buffer[], status)
    // Nobody looks at them again, and for as long as the answer lasts they would hold all that arrived with them.
    controller.rawHeaders = null
    if (status < 200) sendInformational(this.#request, this.#response, status, headers)
    else if (status === 401 && this.#holdRefusal) this.#held = createResponseBuffer(status, headers)
    else this.#answer.writeHead(status, isReason(reason) ? reason : '', headers)
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    if (this.#held?.add(chunk)) return
    if (this.#held) this.#release(this.#held.answer)
    else this.#write(chunk)
  }

  onResponseEnd(): void {
    if (this.#held !== undefined) {
      this.#leave()
      this.#settle.resolve({ kind: 'refused', answer: this.#held.answer })
      return
    }
    this.#answer.end()
    if (this.#response.writableLength > 0) this.#watchStall()
  }

  onResponseError(_: unknown, error: Error): void {
    const isBeforeAnswer = !this.#response.headersSent && this.#held === undefined
    const failure = toUpstreamError(error, this.#upstream.url.origin, isBeforeAnswer)
    this.#leave()
    const isUnsent = this.#controller === undefined && failure.code !== 'internal'
    if (isUnsent) this.#settle.resolve({ kind: 'unreachable', error: failure })
    else if (this.#mayRepeat(error)) this.#settle.resolve({ kind: 'closed', error: failure })
    else this.#settle.reject(failure)
    this.#body?.destroy()
  }

  /** RFC 9110, 9.2.2: only requests with an idempotent method; and only those without a body, which has been consumed. */
  #mayRepeat(error: Error): boolean {
    const isRead = this.#request.method === 'GET' || this.#request.method === 'HEAD'
    return isRead && this.#body === null && !this.#hasResponseBegun && isStaleConnection(error)
  }

  #closed(): void {
    if (this.#response.writableFinished) {
      this.#leave()
      this.#settle.resolve(sent)
    } else this.#breakOff(clientClosed())
  }

  #breakOff(reason: GatewayError): void {
    this.#leave()
    this.#settle.reject(reason)
    this.#controller?.abort(reason)
    this.#body?.destroy()
  }

  #write(piece: Buffer): void {
    if (this.#answer.write(piece)) return
    this.#controller?.pause()
    this.#watchStall()
  }

  #watchStall(): void {
    this.#stall ??= createSendTimeout(this.#response, this.#clientTimeout, {
      onDrain: () => this.#controller?.resume(),
      onTimeout: () =>
        this.#breakOff(
          new GatewayError('client_closed', `the client took nothing of its answer for ${this.#clientTimeout} ms`),
        ),
    })
    this.#stall.start()
  }

  #release({ status, headers, body }: BufferedResponse): void {
    this.#held = undefined
    this.#answer.writeHead(status, '', headers)
    for (const piece of body) this.#write(piece)
  }

  #leave(): void {
    this.#end()
    this.#stall?.end()
    this.#response.off('close', this.#onClose)
  }
}

/** What Node would write. undici reads it as UTF-8, and nobody reads it for anything. */
function isReason(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}
