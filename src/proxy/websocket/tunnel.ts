import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { BuildResponseHeaders } from '../headers/response-headers.ts'
import type { Routing } from '../routing/routing.ts'
import type { Upstream } from '../routing/upstreams.ts'
import { toUpstreamError } from '../upstream-error.ts'
import type { SendUpgrade, UpgradeListener } from './http-proxy-3.ts'
import { forwardRejection } from './rejected-upgrade.ts'
import type { TunnelUser } from './user-tunnels.ts'

/** The upstream of a tunnel, and the headers for both sides. */
export type TunnelTarget = Readonly<{
  context: RequestContext
  upstream: Upstream
  path: string
  headers: string[]
  buildResponseHeaders: BuildResponseHeaders
  /** Undefined on a route without the user's credential, and for a client with its own credential. */
  user?: TunnelUser | undefined
}>

/** What all tunnels share. */
export type TunnelOptions = Pick<Routing, 'timeoutMs' | 'clientTimeoutMs'> &
  Readonly<{
    sendUpgrade: SendUpgrade
    /** The tunnels that a shutdown aborts. Each tunnel adds and removes itself. */
    abortable: Set<Tunnel>
  }>

type TunnelState =
  /** The upstream has not responded yet. */
  | 'connecting'
  /** The upstream has responded with 101. */
  | 'open'
  /** The upstream has responded with another status, which is forwarded to the client. */
  | 'rejected'
  /** The upstream cannot respond any more, so the client gets an error response. */
  | 'failed'

/**
 * One upgrade, from the request to the upstream until the client's socket closes. Like `ExchangeHandler` in
 * `forward.ts`, it is a class to save memory.
 */
export class Tunnel implements UpgradeListener {
  /**
   * Resolves when the tunnel has closed, or when the upstream's rejection has been sent to the client;
   * `response.statusCode` tells which. Rejects with GatewayError; if `response.headersSent`, the rejection was truncated.
   */
  readonly ended: Promise<void>
  readonly #response: ServerResponse
  readonly #socket: Socket
  readonly #upstream: Upstream
  readonly #context: RequestContext
  /** The value of `performance.now()`; 0 if latencies are not measured. */
  readonly #startedAt: number
  readonly #buildHeaders: BuildResponseHeaders
  readonly #options: TunnelOptions
  readonly #resolve: () => void
  readonly #reject: (error: GatewayError) => void
  readonly #release: () => void
  readonly #stopWatching: () => void
  readonly #cancelRequest: (() => void) | undefined
  #state: TunnelState = 'connecting'

  constructor(response: ServerResponse, target: TunnelTarget, options: TunnelOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { context, upstream, path, headers, buildResponseHeaders } = target
    const { sendUpgrade, timeoutMs, clientTimeoutMs, abortable } = options
    const socket = response.socket!
    const request = { request: response.req, socket, upstream, path, headers, timeoutMs, clientTimeoutMs }
    this.ended = promise
    this.#response = response
    this.#socket = socket
    this.#upstream = upstream
    this.#context = context
    this.#startedAt = upstream.latency === undefined ? 0 : performance.now()
    this.#buildHeaders = buildResponseHeaders
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    this.#release = upstream.trackRequest()
    this.#stopWatching = destroyOnEnd(socket)
    abortable.add(this)
    socket.once('close', () => this.#onClose())
    this.#cancelRequest = sendUpgrade(request, this)
  }

  isOpen(): boolean {
    return this.#state === 'open'
  }

  onUpgrade(rawHeaders: readonly string[]): string[] {
    this.#measureLatency()
    this.#stopWatching()
    this.#state = 'open'
    this.#response.statusCode = 101
    return this.#buildHeaders(rawHeaders, 101)
  }

  onResponse(rejection: IncomingMessage): void {
    const { timeoutMs, clientTimeoutMs, abortable } = this.#options
    const { origin } = this.#upstream.url
    if (rejection.statusCode === 101) {
      this.onError(new GatewayError('upstream_protocol', `${origin}: a 101 response without an upgrade`))
      return
    }
    this.#measureLatency()
    this.#state = 'rejected'
    abortable.delete(this) // a shutdown waits for this response, as for any other
    this.#stopWatching()
    // Discards data that the client still sends, because closing a connection with unread data resets it.
    this.#socket.on('end', () => this.#socket.destroy()).resume()
    const buildResponseHeaders = this.#buildHeaders
    const options = { timeoutMs, clientTimeoutMs, origin, buildResponseHeaders }
    forwardRejection(rejection, this.#response, options).then(this.#resolve, this.#reject)
  }

  #measureLatency(): void {
    const { latency } = this.#upstream
    if (latency === undefined) return
    const now = performance.now()
    latency.observe((now - this.#startedAt) / 1000)
    this.#context.respondedAt = now
  }

  onError(error: Error): void {
    this.#fail(toUpstreamError(error, this.#upstream.url.origin, true))
  }

  /** @param error of the response, if the tunnel is not open yet */
  abort(error: GatewayError): void {
    if (this.#state === 'connecting') this.#fail(error)
    else this.#socket.destroy()
  }

  /** The server then sends an error response, so the upstream must not respond any more. */
  #fail(error: GatewayError): void {
    if (this.#state !== 'connecting') return
    this.#state = 'failed'
    this.#options.abortable.delete(this) // a shutdown waits for the error response
    this.#cancelRequest?.()
    this.#reject(error)
  }

  #onClose(): void {
    this.#options.abortable.delete(this)
    this.#release()
    if (this.#state === 'connecting') this.#reject(closedBeforeUpgrade())
    else if (this.#state === 'open') this.#resolve()
  }
}

export function closedBeforeUpgrade(): GatewayError {
  return new GatewayError('client_closed', 'the client closed the connection before it was upgraded')
}

export function accessEnded(): GatewayError {
  return new GatewayError('revoked', 'the access of the user ended before the tunnel was open')
}

export function stopping(): GatewayError {
  return new GatewayError('stopping', 'elastauth is shutting down, and the tunnel is not open yet')
}

/**
 * Destroys the client's socket when the client closes it. Before the tunnel is open, nothing else reads from the socket
 * and would notice.
 */
function destroyOnEnd(socket: Socket): () => void {
  const onReadable = () => void socket.read(0)
  const onEnd = () => void socket.destroy()
  socket.on('readable', onReadable).on('end', onEnd)
  return () => void socket.off('readable', onReadable).off('end', onEnd)
}
