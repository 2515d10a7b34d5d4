import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import type { UpgradeResult } from '../../http/response.ts'
import type { BuildResponseHeaders } from '../headers/response-headers.ts'
import type { Routing } from '../routing/routing.ts'
import type { Upstream } from '../routing/upstreams.ts'
import { toUpstreamError } from '../upstream-error.ts'
import { createSendUpgrade, type UpgradeListener } from './http-proxy-3.ts'
import { forwardRejection } from './rejected-upgrade.ts'

export type Tunnels = Readonly<{
  /** See `Upgrade.tunnel`. */
  open: (client: TunnelClient, target: TunnelTarget) => Promise<UpgradeResult>
  /** Closes all tunnels, which could otherwise stay open indefinitely, and prevents new ones. */
  close: () => void
}>

export type TunnelClient = Readonly<{ request: IncomingMessage; socket: Socket; head: Buffer }>

/** The upstream of a tunnel, and the headers for both sides. */
export type TunnelTarget = Readonly<{
  upstream: Upstream
  path: string
  headers: string[]
  buildResponseHeaders: BuildResponseHeaders
}>

type TunnelTimeouts = Pick<Routing, 'timeoutMs' | 'clientTimeoutMs'>

export function createTunnels(timeouts: TunnelTimeouts): Tunnels {
  const sendUpgrade = createSendUpgrade()
  const abortable = new Set<Tunnel>()
  let isClosed = false

  return Object.freeze({
    async open(client: TunnelClient, target: TunnelTarget): Promise<UpgradeResult> {
      if (client.socket.destroyed) throw closedBeforeUpgrade()
      if (isClosed) throw stopping()
      const tunnel = new Tunnel(client.socket, { target, timeouts, abortable })
      sendUpgrade({ ...client, ...target, timeoutMs: timeouts.timeoutMs }, tunnel)
      return tunnel.ended
    },
    close() {
      isClosed = true
      for (const tunnel of abortable) tunnel.abort()
    },
  })
}

type TunnelOptions = Readonly<{
  target: TunnelTarget
  timeouts: TunnelTimeouts
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
class Tunnel implements UpgradeListener {
  readonly ended: Promise<UpgradeResult>
  readonly #socket: Socket
  readonly #options: TunnelOptions
  readonly #resolve: (result: UpgradeResult) => void
  readonly #reject: (error: GatewayError) => void
  readonly #release: () => void
  readonly #stopWatching: () => void
  #state: TunnelState = 'connecting'

  constructor(socket: Socket, options: TunnelOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<UpgradeResult>()
    this.ended = promise
    this.#socket = socket
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    this.#release = options.target.upstream.trackRequest()
    this.#stopWatching = destroyOnEnd(socket)
    options.abortable.add(this)
    socket.once('close', () => this.#onClose())
  }

  onUpgrade(rawHeaders: readonly string[]): string[] {
    this.#stopWatching()
    this.#state = 'open'
    return this.#options.target.buildResponseHeaders(rawHeaders, 101)
  }

  onResponse(response: IncomingMessage): void {
    const { target, timeouts, abortable } = this.#options
    const { origin } = target.upstream.url
    const status = response.statusCode!
    if (status === 101) {
      this.onError(new GatewayError('upstream_protocol', `${origin}: a 101 response without an upgrade`))
      return
    }
    this.#state = 'rejected'
    abortable.delete(this) // a shutdown waits for this response, as for any other
    this.#stopWatching()
    // Discards data that the client still sends, because closing a connection with unread data resets it.
    this.#socket.on('end', () => this.#socket.destroy()).resume()
    const { buildResponseHeaders } = target
    forwardRejection(response, this.#socket, { ...timeouts, origin, buildResponseHeaders }).then(
      () => this.#resolve({ status }),
      (error: GatewayError) => this.#resolve({ status: error.code === 'client_closed' ? 499 : status, error }),
    )
  }

  onError(error: Error): void {
    this.#fail(toUpstreamError(error, this.#options.target.upstream.url.origin, true))
  }

  abort(): void {
    if (this.#state === 'connecting') this.#fail(stopping())
    else this.#socket.destroy()
  }

  /** The server then sends an error response and closes the client's socket. The upstream's closes with it. */
  #fail(error: GatewayError): void {
    if (this.#state !== 'connecting') return
    this.#state = 'failed'
    this.#options.abortable.delete(this) // a shutdown waits for the error response
    this.#reject(error)
  }

  #onClose(): void {
    this.#options.abortable.delete(this)
    this.#release()
    if (this.#state === 'connecting') this.#reject(closedBeforeUpgrade())
    else if (this.#state === 'open') this.#resolve({ status: 101 })
  }
}

function closedBeforeUpgrade(): GatewayError {
  return new GatewayError('client_closed', 'the client closed the connection before it was upgraded')
}

function stopping(): GatewayError {
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
