import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { GatewayError } from '../../http/errors.ts'
import { toHeaderObject } from '../../http/headers.ts'
import type { Upgrade, UpgradeResult } from '../../http/response.ts'
import { hasBody } from '../body.ts'
import type { PrepareRequest, ProxyHandlerOptions } from '../handler.ts'
import type { BuildResponseHeaders } from '../headers/response-headers.ts'
import type { Routing } from '../routing/routing.ts'
import { unbracketedHost } from '../routing/tls.ts'
import type { Upstream } from '../routing/upstreams.ts'
import { toUpstreamError } from '../upstream-error.ts'
import { forwardRejection } from './rejected-upgrade.ts'

export type Tunnels = Readonly<{
  open: (request: IncomingMessage, to: TunnelTarget) => Upgrade['tunnel']
  /** Cuts all tunnels, which have no end of their own to wait for, and lets no more open. */
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
 * Only WebSockets are passed on as upgrades; to any other (`h2c` above all) a request is an ordinary one, and so is one of
 * HTTP/1.0, which knows none (RFC 9110, 7.8).
 */
export function isWebSocket({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion === '1.1' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** Request → the right to a tunnel. The returned function throws as `Admit` does. */
export function createWebSocketUpgrade(
  admit: PrepareRequest,
  { routing, buildResponseHeaders }: Pick<ProxyHandlerOptions, 'routing' | 'buildResponseHeaders'>,
  tunnels: Tunnels,
) {
  return async function upgrade(request: IncomingMessage): Promise<Upgrade> {
    const { route, path, authenticated, buildHeaders } = await admit(request)
    if (hasBody(request)) throw new GatewayError('payload_invalid', 'an upgrade with a body')
    const upstream = routing.pickUpstream(route.upstreams, new Set())!
    const headers = buildHeaders(authenticated?.credential.authorization)
    return {
      username: authenticated?.identity.username,
      tunnel: tunnels.open(request, { upstream, path, headers, buildResponseHeaders }),
    }
  }
}

/** Tunnels through http-proxy-3, which gets our headers and our path in place of the client's. */
export function createTunnels({ timeoutMs, clientTimeoutMs }: Pick<Routing, 'timeoutMs' | 'clientTimeoutMs'>): Tunnels {
  const proxy = createProxyServer({ prependPath: false, toProxy: true, xfwd: false })
  const cuts = new Set<() => void>()
  const watchers = new WeakMap<Socket, (upstreamRequest: ClientRequest) => void>()
  let isClosed = false
  proxy.on('proxyReqWs', (upstreamRequest, _request, socket) => watchers.get(socket)?.(upstreamRequest))
  proxy.on('error', () => {}) // each tunnel has its own ear

  function open(
    request: IncomingMessage,
    { upstream, path, headers, buildResponseHeaders }: TunnelTarget,
  ): Upgrade['tunnel'] {
    return function tunnel(socket, head, refuse) {
      if (socket.destroyed) throw leftBefore()
      if (isClosed) throw stopping()
      const { promise, resolve, reject } = Promise.withResolvers<UpgradeResult>()
      const { url } = upstream
      const end = upstream.trackRequest()
      let status: number | undefined
      cuts.add(cut)
      watchers.set(socket, watch)
      socket.once('close', () => {
        cuts.delete(cut)
        end()
        if (status === undefined) reject(leftBefore())
        else if (status === 101) resolve({ status })
      })
      const stopWatching = watchForLeaving(socket)
      const target = { protocol: url.protocol, host: url.hostname, hostname: unbracketedHost(url), port: portOf(url) }
      const tls = upstream.tls()
      // http-proxy-3 writes into `ssl`.
      const options = { target, ...(tls && { ssl: { ...tls }, secure: tls.rejectUnauthorized }) }
      const view = Object.create(request, { headers: { value: headersFrom(headers) } })
      try {
        proxy.ws(view, socket, head, options, onError)
      } catch (error) {
        onError(error as Error)
      }
      return promise

      function watch(upstreamRequest: ClientRequest): void {
        upstreamRequest.path = url.pathname.replace(/\/+$/, '') + path // as it came: http-proxy-3 would join it anew
        const onSilence = () => {
          const error = Object.assign(new Error('no answer to the upgrade'), { code: 'UND_ERR_HEADERS_TIMEOUT' })
          upstreamRequest.destroy(error)
        }
        upstreamRequest.setTimeout(timeoutMs, onSilence)
        upstreamRequest.once('upgrade', (switched, upstreamSocket) => {
          stopWatching()
          status = 101
          // http-proxy-3 writes these next, as text.
          switched.headers = {
            ...headersFrom(buildResponseHeaders(switched.rawHeaders, 101)),
            upgrade: switched.headers.upgrade,
          }
          socket.setDefaultEncoding('latin1')
          // What the client still says is for nobody; left unread, it would hide its leaving.
          upstreamSocket.once('close', () => process.nextTick(() => socket.resume()))
        })
        // http-proxy-3 would write any other answer by itself, as fast as it comes and whether it is whole or not, and has no
        // option against it. It puts its ear on after this event, in the same turn: before an answer can come, it is off again.
        process.nextTick(() => {
          upstreamRequest.removeAllListeners('response').once('response', (answer) => {
            upstreamRequest.off('timeout', onSilence)
            onAnswer(upstreamRequest, answer)
          })
        })
        socket.once('close', () => upstreamRequest.destroy())
      }

      function onAnswer(upstreamRequest: ClientRequest, answer: IncomingMessage): void {
        const told = answer.statusCode!
        if (told === 101) {
          upstreamRequest.destroy(new GatewayError('upstream_protocol', `${url.origin}: a 101 that is no upgrade`))
          return
        }
        status = told
        cuts.delete(cut) // it has an end of its own
        stopWatching()
        // What the client still says is for nobody; left unread, it would turn the end of the connection into a reset.
        socket.on('end', () => socket.destroy()).resume()
        // http-proxy-3 would end the socket in good order, as if the answer were whole.
        upstreamRequest.removeAllListeners('error').on('error', (error) => {
          if (!answer.complete) answer.destroy(error)
        })
        forwardRejection(answer, socket, { timeoutMs, clientTimeoutMs, origin: url.origin, buildResponseHeaders }).then(
          () => resolve({ status: told }),
          (error: GatewayError) => resolve({ status: error.code === 'client_closed' ? 499 : told, error }),
        )
      }

      // http-proxy-3 closes the socket next, and what is written before that still goes out.
      function onError(error: Error): void {
        if (status !== undefined) return
        const failure = toUpstreamError(error, url.origin, true)
        refuse(failure)
        reject(failure)
      }

      function cut(): void {
        if (status === undefined) onError(stopping())
        else socket.destroy()
      }
    }
  }

  return Object.freeze({
    open,
    close() {
      isClosed = true
      for (const cut of cuts) cut()
    },
  })
}

function leftBefore(): GatewayError {
  return new GatewayError('client_closed', 'the client left before its upgrade')
}

function stopping(): GatewayError {
  return new GatewayError('stopping', 'elastauth stops before there is a tunnel')
}

/** Nobody reads a socket before its tunnel is open, and who does not read does not hear the other side leave. */
function watchForLeaving(socket: Socket): () => void {
  const onReadable = () => void socket.read(0)
  const onEnd = () => void socket.destroy()
  socket.on('readable', onReadable).on('end', onEnd)
  return () => void socket.off('readable', onReadable).off('end', onEnd)
}

/** Names and values in turn → as Node's client wants them, doubled ones as lists; with the words of an upgrade. */
function headersFrom(flat: readonly string[]): Record<string, string | string[]> {
  return toHeaderObject(['connection', 'Upgrade', 'upgrade', 'websocket', ...flat])
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}
