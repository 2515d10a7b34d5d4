import { isIPv4 } from 'node:net'
import { isLocalhostName, isLoopbackAddress } from '../../config/hosts.ts'
import { type OwnOriginOf, toOrigin } from '../auth/own-origin.ts'
import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'

/**
 * The origin at which browsers reach elastauth, such as `https://kibana.example.com`. Throws GatewayError login_insecure,
 * login_failed.
 */
export type OriginOf = (context: RequestContext) => string

/**
 * A login needs `https` or a loopback host, because browsers store `Secure` cookies only there.
 * @param hasProvider whether oidc.redirect_url can be set, for the messages
 */
export function createOriginOf(ownOriginOf: OwnOriginOf, hasProvider: boolean): OriginOf {
  const orSet = hasProvider ? ', or set oidc.redirect_url' : ''
  return function originOf(context) {
    const own = ownOriginOf(context)
    const origin = own && toOrigin(own, 'http')
    if (origin === undefined) throw new GatewayError('login_failed', noOrigin + orSet)
    if (!isSecure(origin)) throw new GatewayError('login_insecure', `${origin} ${insecure}${orSet}`)
    return origin
  }
}

const noOrigin = 'cannot derive the origin from X-Forwarded-Proto, X-Forwarded-Host and Host: fix these headers'

const insecure =
  'is not https, so browsers do not store the login cookies: use https. If a proxy terminates TLS, let it send X-Forwarded-Proto and list it in trusted_proxies'

/** Whether browsers trust the origin (W3C Secure Contexts, section 3.1). IPv4-mapped IPv6 addresses are not trusted. */
function isSecure(origin: string): boolean {
  const { protocol, hostname } = new URL(origin)
  return protocol === 'https:' || isLocalhostName(hostname) || hostname === '[::1]' || isLoopbackIpv4(hostname)
}

function isLoopbackIpv4(host: string): boolean {
  return isIPv4(host) && isLoopbackAddress(host)
}
