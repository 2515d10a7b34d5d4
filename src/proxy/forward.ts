import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { createBody, expectsContinue, hasBody } from './body.ts'
import { type BufferedResponse, clientClosed, createResponseBuffer } from './buffered-response.ts'
import type { BuildResponseHeaders } from './headers/response-headers.ts'
import type { ExchangeObserver } from './observe.ts'
import { ResponseWriter, sendInformational } from './response-writer.ts'
import { isStaleConnection } from './routing/pool.ts'
import type { Upstream, UpstreamLatency } from './routing/upstreams.ts'
import { createSendTimeout, type SendTimeout } from './send-timeout.ts'
import { toUpstreamError } from './upstream-error.ts'

/** A request of a client and its response. */
export type Exchange = Readonly<{
  context: RequestContext
  response: ServerResponse
  path: string
  buildResponseHeaders: BuildResponseHeaders
  /** How long the client may pause while it sends its body. */
  bodyTimeoutMs: number
  /** How long the client may pause while it reads the response. */
  clientTimeoutMs: number
  observer: ExchangeObserver | undefined
}>

/** What may differ between two attempts to forward the same request. */
export type Attempt = Readonly<{
  upstream: Upstream
  headers: string[]
  /** Whether to open a new connection instead of reusing one, which the upstream may be closing. */
  onNewConnection: boolean
  /** Whether to return a 401 response to the caller of `forward` instead of sending it to the client. */
  bufferUnauthorized: boolean
}>

export type ForwardResult =
  /** The complete response was sent to the client. */
  | Readonly<{ kind: 'sent' }>
  /** The upstream responded with 401, and nothing was sent to the client. */
  | Readonly<{ kind: 'unauthorized'; response: BufferedResponse }>
  | ForwardFailure

/** The request may be sent again. */
export type ForwardFailure =
  /** The upstream was closing the reused connection. The request may be retried on a new connection. */
  | Readonly<{ kind: 'stale-connection'; error: GatewayError }>
  /** No part of the request was sent, so it may be sent to another upstream. */
  | Readonly<{ kind: 'unreachable'; error: GatewayError }>

const sent: ForwardResult = { kind: 'sent' }

/**
 * Forwards a request and streams the response back, with back-pressure in both directions. If one side closes, the other is
 * closed immediately. Rejects with GatewayError client_closed, request_timeout, upstream_unavailable, upstream_timeout,
 * upstream_protocol; if `response.headersSent`, the response was truncated.
 */
export function forward(exchange: Exchange, attempt: Attempt): Promise<ForwardResult> {
  const { context, response, path, bodyTimeoutMs } = exchange
  const { request } = context
  const { upstream, headers, onNewConnection } = attempt
  if (response.destroyed) return Promise.reject(clientClosed())
  const body = hasBody(request) ? createBody(request, bodyTimeoutMs, exchange.observer) : null
  return new Promise((resolve, reject) => {
    const handler = new ExchangeHandler(exchange, attempt, body, { resolve, reject })
    upstream.dispatch({ method: request.method ?? 'GET', path, headers, body, onNewConnection }, handler)
  })
}

type Settlement = Readonly<{ resolve: (result: ForwardResult) => void; reject: (error: GatewayError) => void }>

/**
 * Forwards undici's events for one exchange to the client. It is a class to save memory, because thousands of streams
 * may be open for hours: instances share their methods, and have closures only for event emitters.
 */
class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #context: RequestContext
  readonly #response: ServerResponse
  readonly #upstream: Upstream
  readonly #release: () => void
  readonly #buildHeaders: BuildResponseHeaders
  readonly #clientTimeoutMs: number
  readonly #bufferUnauthorized: boolean
  readonly #body: Readable | null
  readonly #settlement: Settlement
  readonly #observer: ExchangeObserver | undefined
  readonly #writer: ResponseWriter
  /** The value of `performance.now()`; 0 if latencies are not measured. */
  readonly #startedAt: number
  readonly #onClose = () => this.#onClientClosed()
  #controller: Dispatcher.DispatchController | undefined
  #hasResponseBegun = false
  #buffer: ReturnType<typeof createResponseBuffer> | undefined
  /** Undefined until the client falls behind in reading the response. */
  #sendTimeout: SendTimeout | undefined

  constructor(exchange: Exchange, attempt: Attempt, body: Readable | null, settlement: Settlement) {
    const { context, response, buildResponseHeaders, clientTimeoutMs } = exchange
    const { upstream, bufferUnauthorized } = attempt
    this.#context = context
    this.#response = response
    this.#upstream = upstream
    this.#release = upstream.trackRequest()
    this.#buildHeaders = buildResponseHeaders
    this.#clientTimeoutMs = clientTimeoutMs
    this.#bufferUnauthorized = bufferUnauthorized
    this.#body = body
    this.#settlement = settlement
    this.#observer = exchange.observer
    this.#writer = new ResponseWriter(response)
    this.#startedAt = upstream.latency === undefined ? 0 : performance.now()
    response.on('close', this.#onClose)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#response.destroyed) {
      controller.abort(clientClosed())
      return
    }
    // The client sends its body only after `100 Continue` (RFC 9110, section 10.1.1), which elastauth sends as soon as
    // the upstream is connected.
    if (this.#body && expectsContinue(this.#context.request)) this.#response.writeContinue()
  }

  /** undici calls this method at the first byte of the response. */
  onResponseStarted(): void {
    this.#hasResponseBegun = true
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, reason = ''): void {
    const headers = this.#buildHeaders(controller.rawHeaders as Buffer[], status)
    // The raw headers are not read again, and would keep the whole received chunk in memory until the response ends.
    controller.rawHeaders = null
    if (status < 200) {
      sendInformational(this.#context.request, this.#response, status, headers)
      return
    }
    if (this.#upstream.latency !== undefined) this.#measureLatency(this.#upstream.latency)
    if (status === 401 && this.#bufferUnauthorized) this.#buffer = createResponseBuffer(status, headers)
    else this.#writer.writeHead(status, reason, headers)
  }

  #measureLatency(latency: UpstreamLatency): void {
    const now = performance.now()
    latency.observe((now - this.#startedAt) / 1000)
    this.#context.respondedAt = now
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    if (this.#buffer?.add(chunk)) return
    if (this.#buffer) this.#flushBuffer(this.#buffer.response)
    else this.#write(chunk)
  }

  onResponseEnd(): void {
    if (this.#buffer !== undefined) {
      this.#cleanUp()
      this.#settlement.resolve({ kind: 'unauthorized', response: this.#buffer.response })
      return
    }
    this.#writer.end()
    if (this.#response.writableLength > 0) this.#startSendTimeout()
  }

  onResponseError(_: unknown, error: Error): void {
    const isBeforeResponse = !this.#response.headersSent && this.#buffer === undefined
    const failure = toUpstreamError(error, this.#upstream.url.origin, isBeforeResponse)
    this.#cleanUp()
    const isUnsent = this.#controller === undefined && failure.code !== 'internal'
    if (isUnsent) this.#settlement.resolve({ kind: 'unreachable', error: failure })
    else if (this.#mayRetry(error)) this.#settlement.resolve({ kind: 'stale-connection', error: failure })
    else this.#settlement.reject(failure)
    this.#body?.destroy()
  }

  /**
   * RFC 9110, section 9.2.2, permits retries only for idempotent methods. elastauth retries only GET and HEAD without a
   * body, since a body would already have been consumed.
   */
  #mayRetry(error: Error): boolean {
    const { method } = this.#context.request
    const isRead = method === 'GET' || method === 'HEAD'
    return isRead && this.#body === null && !this.#hasResponseBegun && isStaleConnection(error)
  }

  #onClientClosed(): void {
    if (this.#response.writableFinished) {
      this.#cleanUp()
      this.#settlement.resolve(sent)
    } else this.#abort(clientClosed())
  }

  #abort(reason: GatewayError): void {
    this.#cleanUp()
    this.#settlement.reject(reason)
    this.#controller?.abort(reason)
    this.#body?.destroy()
  }

  #write(chunk: Buffer): void {
    this.#observer?.onResponseData(chunk)
    if (this.#writer.write(chunk)) return
    this.#controller?.pause()
    this.#startSendTimeout()
  }

  #startSendTimeout(): void {
    this.#sendTimeout ??= createSendTimeout(this.#response, this.#clientTimeoutMs, {
      onDrain: () => this.#controller?.resume(),
      onTimeout: (error) => this.#abort(error),
    })
    this.#sendTimeout.start()
  }

  /** Sends the buffered part of a response whose body exceeds the buffer's limit. The rest is streamed. */
  #flushBuffer({ status, headers, body }: BufferedResponse): void {
    this.#buffer = undefined
    this.#writer.writeHead(status, '', headers)
    for (const chunk of body) this.#write(chunk)
  }

  #cleanUp(): void {
    this.#release()
    this.#sendTimeout?.end()
    this.#response.off('close', this.#onClose)
  }
}
