import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { StreamedResponse } from '../../http/response.ts'
import { hasBody } from '../body.ts'
import type { ProxyHandlerOptions } from '../handler.ts'
import { runObserved } from '../observe.ts'
import type { PrepareRequest } from '../prepare-request.ts'
import type { Routing } from '../routing/routing.ts'
import { createSendUpgrade } from './http-proxy-3.ts'
import { accessEnded, closedBeforeUpgrade, stopping, Tunnel, type TunnelTarget } from './tunnel.ts'
import type { UserTunnels } from './user-tunnels.ts'

export type Tunnels = Readonly<{
  /** See `Tunnel.ended`. */
  open: (response: ServerResponse, target: TunnelTarget) => Promise<void>
  /** The number of open tunnels. */
  count: () => number
  /** Closes all tunnels, which could otherwise stay open indefinitely, and prevents new ones. */
  close: () => void
}>

/**
 * Only WebSockets are forwarded as upgrades. A request to upgrade to another protocol, such as `h2c`, is forwarded
 * without the upgrade, and so is an HTTP/1.0 request (RFC 9110, section 7.8).
 */
export function isWebSocketUpgrade({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion === '1.1' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** Authenticates an upgrade request; the response that is returned opens the tunnel. */
export function createWebSocketUpgrade(
  prepareRequest: PrepareRequest,
  { routing, buildResponseHeaders, observe }: Pick<ProxyHandlerOptions, 'routing' | 'buildResponseHeaders' | 'observe'>,
  tunnels: Tunnels,
) {
  return async function upgrade(context: RequestContext): Promise<StreamedResponse> {
    const { route, path, identity, authenticated, buildHeaders } = await prepareRequest(context)
    if (hasBody(context.request)) throw new GatewayError('payload_invalid', 'an upgrade request with a body')
    const upstream = routing.pickUpstream(route.upstreams, new Set())!
    const headers = buildHeaders(authenticated?.credential.authorization)
    const user = authenticated && tunnelUserOf(authenticated.identity)
    const username = identity?.username
    const open = (response: ServerResponse) =>
      tunnels.open(response, { context, upstream, path, headers, buildResponseHeaders, user })
    const credential = identity?.credential
    if (observe === undefined) return { username, credential, stream: open }
    const stream = (response: ServerResponse) =>
      runObserved(observe({ context, response, path, username, credential }), () => open(response))
    return { username, credential, stream }
  }
}

/** Undefined for a client with its own credential, which is not one of elastauth's users. */
function tunnelUserOf({ username, credential, authenticatedAt = Number.MAX_SAFE_INTEGER }: Identity) {
  return credential === undefined ? { username, authenticatedAt } : undefined
}

/** Opens tunnels, and keeps track of them, because they outlive a reload of the configuration. */
export function createTunnels(
  { timeoutMs, clientTimeoutMs }: Pick<Routing, 'timeoutMs' | 'clientTimeoutMs'>,
  users?: UserTunnels,
): Tunnels {
  const abortable = new Set<Tunnel>()
  const options = { timeoutMs, clientTimeoutMs, sendUpgrade: createSendUpgrade(), abortable }
  let isClosed = false

  return Object.freeze({
    async open(response: ServerResponse, target: TunnelTarget): Promise<void> {
      if (response.socket!.destroyed) throw closedBeforeUpgrade()
      if (isClosed) throw stopping()
      const tunnel = new Tunnel(response, target, options)
      const remove = target.user && users?.add(target.user, () => tunnel.abort(accessEnded()))
      try {
        await tunnel.ended
      } finally {
        remove?.()
      }
    },
    count: () => [...abortable].filter((tunnel) => tunnel.isOpen()).length,
    close() {
      isClosed = true
      for (const tunnel of abortable) tunnel.abort(stopping())
    },
  })
}
