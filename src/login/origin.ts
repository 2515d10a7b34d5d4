import type { IncomingMessage } from 'node:http'
import { type OwnOriginOf, toOrigin } from '../auth/own-origin.ts'
import { GatewayError } from '../http/errors.ts'

/** The origin under which browsers know us, such as `https://kibana.example.com`. Throws GatewayError login_insecure, login_failed. */
export type OriginOf = (request: IncomingMessage) => string

/** A login needs `https`, or a loopback host: browsers keep our cookies only there. */
export function createOriginOf(ownOriginOf: OwnOriginOf): OriginOf {
  return function originOf(request) {
    const own = ownOriginOf(request)
    const origin = own && toOrigin(own, 'http')
    if (origin === undefined) throw new GatewayError('login_failed', noOrigin)
    if (!isSecure(origin)) throw new GatewayError('login_insecure', `${origin} ${fix}`)
    return origin
  }
}

const fix =
  'is not https, so browsers would not keep our cookies. Use https; where a proxy does, it must send X-Forwarded-Proto and be in trusted_proxies, or set oidc.redirect_url'

const noOrigin = 'X-Forwarded-Proto, X-Forwarded-Host or Host make no origin: set oidc.redirect_url'

function isSecure(origin: string): boolean {
  const { protocol, hostname } = new URL(origin)
  return protocol === 'https:' || /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
}
