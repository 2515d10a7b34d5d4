import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { withoutBrackets } from '../../../config/hosts.ts'
import { GatewayError } from '../../http/errors.ts'
import { toHeaderObject } from '../../http/headers.ts'
import type { Upgrade, UpgradeResult } from '../../http/response.ts'
import { hasBody } from '../body.ts'
import type { PrepareRequest, ProxyHandlerOptions } from '../handler.ts'
import type { BuildResponseHeaders } from '../headers/response-headers.ts'
import type { Routing } from '../routing/routing.ts'
import type { Upstream } from '../routing/upstreams.ts'
import { toUpstreamError } from '../upstream-error.ts'
import { forwardRejection } from './rejected-upgrade.ts'

export type Tunnels = Readonly<{
  open: (request: IncomingMessage, target: TunnelTarget) => Upgrade['tunnel']
  /** Closes all tunnels, which could otherwise stay open indefinitely, and prevents new ones. */
  close: () => void
}>

/** The upstream of a tunnel, and the headers for both sides. */
export type TunnelTarget = Readonly<{
  upstream: Upstream
  path: string
  headers: string[]
  buildResponseHeaders: BuildResponseHeaders
}>

/**
 * Only WebSockets are forwarded as upgrades. A request to upgrade to another protocol, such as `h2c`, is forwarded
 * without the upgrade, and so is an HTTP/1.0 request (RFC 9110, section 7.8).
 */
export function isWebSocketUpgrade({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion === '1.1' && headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Authenticates an upgrade request and returns its `Upgrade`, which opens the tunnel. The returned function rejects
 * like `PrepareRequest`.
 */
export function createWebSocketUpgrade(
  prepareRequest: PrepareRequest,
  { routing, buildResponseHeaders }: Pick<ProxyHandlerOptions, 'routing' | 'buildResponseHeaders'>,
  tunnels: Tunnels,
) {
  return async function upgrade(request: IncomingMessage): Promise<Upgrade> {
    const { route, path, authenticated, buildHeaders } = await prepareRequest(request)
    if (hasBody(request)) throw new GatewayError('payload_invalid', 'an upgrade request with a body')
    const upstream = routing.pickUpstream(route.upstreams, new Set())!
    const headers = buildHeaders(authenticated?.credential.authorization)
    return {
      username: authenticated?.identity.username,
      tunnel: tunnels.open(request, { upstream, path, headers, buildResponseHeaders }),
    }
  }
}

type TunnelTimeouts = Pick<Routing, 'timeoutMs' | 'clientTimeoutMs'>

/** Opens tunnels through http-proxy-3, with elastauth's headers and path instead of the client's. */
export function createTunnels(timeouts: TunnelTimeouts): Tunnels {
  const proxy = createProxyServer({ prependPath: false, toProxy: true, xfwd: false })
  const abortable = new Set<Tunnel>()
  const tunnelBySocket = new WeakMap<Socket, Tunnel>()
  let isClosed = false
  proxy.on('proxyReqWs', (upstreamRequest, _request, socket) =>
    tunnelBySocket.get(socket)?.handleUpstreamRequest(upstreamRequest),
  )
  proxy.on('error', () => {}) // each tunnel handles its own errors

  return Object.freeze({
    open(request: IncomingMessage, target: TunnelTarget): Upgrade['tunnel'] {
      return function openTunnel(socket, head, rejectClient) {
        if (socket.destroyed) throw closedBeforeUpgrade()
        if (isClosed) throw stopping()
        const tunnel = new Tunnel(socket, { target, timeouts, abortable, rejectClient })
        tunnelBySocket.set(socket, tunnel)
        const onError = (error: Error) => tunnel.fail(error)
        const view = Object.create(request, { headers: { value: toUpgradeHeaders(target.headers) } })
        try {
          proxy.ws(view, socket, head, serverOptions(target.upstream), onError)
        } catch (error) {
          onError(error as Error)
        }
        return tunnel.ended
      }
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
  /** Sends an error response to the client. */
  rejectClient: (error: GatewayError) => void
}>

type TunnelState =
  /** The upstream has not responded yet. */
  | 'connecting'
  /** The upstream has responded with 101. */
  | 'open'
  /** The upstream has responded with another status, which is forwarded to the client. */
  | 'rejected'

/**
 * One upgrade, from the request to the upstream until the client's socket closes. Like `ExchangeHandler` in
 * `forward.ts`, it is a class to save memory.
 */
class Tunnel {
  readonly ended: Promise<UpgradeResult>
  readonly #socket: Socket
  readonly #options: TunnelOptions
  readonly #resolve: (result: UpgradeResult) => void
  readonly #reject: (error: GatewayError) => void
  readonly #stopWatching: () => void
  #state: TunnelState = 'connecting'

  constructor(socket: Socket, options: TunnelOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<UpgradeResult>()
    const { target, abortable } = options
    this.ended = promise
    this.#socket = socket
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    const release = target.upstream.trackRequest()
    abortable.add(this)
    socket.once('close', () => {
      abortable.delete(this)
      release()
      if (this.#state === 'connecting') reject(closedBeforeUpgrade())
      else if (this.#state === 'open') resolve({ status: 101 })
    })
    this.#stopWatching = destroyOnEnd(socket)
  }

  /** Called with the request that http-proxy-3 is about to send to the upstream. */
  handleUpstreamRequest(upstreamRequest: ClientRequest): void {
    const { target, timeouts } = this.#options
    // Keeps the path byte for byte. http-proxy-3 would normalize the path when joining it with the URL's.
    upstreamRequest.path = target.upstream.url.pathname.replace(/\/+$/, '') + target.path
    const onTimeout = () => {
      const error = new Error(`the upstream did not respond to the upgrade request for ${timeouts.timeoutMs} ms`)
      upstreamRequest.destroy(Object.assign(error, { code: 'UND_ERR_HEADERS_TIMEOUT' }))
    }
    upstreamRequest.setTimeout(timeouts.timeoutMs, onTimeout)
    upstreamRequest.once('upgrade', (response, upstreamSocket) => this.#handleUpgrade(response, upstreamSocket))
    // http-proxy-3 would write a response other than 101 itself, without back-pressure and even if truncated, and no
    // option disables that. Its listener is added in this tick, after this event, so it is removed in the next one,
    // before a response can arrive.
    process.nextTick(() => {
      upstreamRequest.removeAllListeners('response').once('response', (response) => {
        upstreamRequest.off('timeout', onTimeout)
        this.#handleRejection(upstreamRequest, response)
      })
    })
    this.#socket.once('close', () => upstreamRequest.destroy())
  }

  #handleUpgrade(response: IncomingMessage, upstreamSocket: Socket): void {
    this.#stopWatching()
    this.#state = 'open'
    // http-proxy-3 writes these headers next, as text.
    response.headers = {
      ...toUpgradeHeaders(this.#options.target.buildResponseHeaders(response.rawHeaders, 101)),
      upgrade: response.headers.upgrade,
    }
    this.#socket.setDefaultEncoding('latin1')
    // Discards data that the client still sends: elastauth has to read in order to notice that the client closes the
    // connection.
    upstreamSocket.once('close', () => process.nextTick(() => this.#socket.resume()))
  }

  #handleRejection(upstreamRequest: ClientRequest, response: IncomingMessage): void {
    const { target, timeouts, abortable } = this.#options
    const { origin } = target.upstream.url
    const status = response.statusCode!
    if (status === 101) {
      upstreamRequest.destroy(new GatewayError('upstream_protocol', `${origin}: a 101 response without an upgrade`))
      return
    }
    this.#state = 'rejected'
    abortable.delete(this) // a shutdown waits for this response, as for any other
    this.#stopWatching()
    // Discards data that the client still sends, because closing a connection with unread data resets it.
    this.#socket.on('end', () => this.#socket.destroy()).resume()
    // http-proxy-3 would end the socket normally, as if the response were complete.
    upstreamRequest.removeAllListeners('error').on('error', (error) => {
      if (!response.complete) response.destroy(error)
    })
    const { buildResponseHeaders } = target
    forwardRejection(response, this.#socket, { ...timeouts, origin, buildResponseHeaders }).then(
      () => this.#resolve({ status }),
      (error: GatewayError) => this.#resolve({ status: error.code === 'client_closed' ? 499 : status, error }),
    )
  }

  /**
   * Responds with an error unless the upstream has already responded. http-proxy-3 then closes the socket, after
   * sending what was written.
   */
  fail(error: Error): void {
    if (this.#state !== 'connecting') return
    const { target, rejectClient } = this.#options
    const failure = toUpstreamError(error, target.upstream.url.origin, true)
    rejectClient(failure)
    this.#reject(failure)
  }

  abort(): void {
    if (this.#state === 'connecting') this.fail(stopping())
    else this.#socket.destroy()
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

/** The upstream's address and TLS options for http-proxy-3, which modifies `ssl`. */
function serverOptions(upstream: Upstream) {
  const { url } = upstream
  const target = {
    protocol: url.protocol,
    host: url.hostname,
    hostname: withoutBrackets(url.hostname),
    port: portOf(url),
  }
  const tls = upstream.tls()
  return { target, ...(tls && { ssl: { ...tls }, secure: tls.rejectUnauthorized }) }
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

/** Converts alternating names and values to an object for Node's HTTP client, and adds the headers of an upgrade. */
function toUpgradeHeaders(flat: readonly string[]): Record<string, string | string[]> {
  return toHeaderObject(['connection', 'Upgrade', 'upgrade', 'websocket', ...flat])
}
