import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../errors.ts'

/** The origin under which browsers know us, such as `https://kibana.example.com`. Throws GatewayError login_insecure, login_failed. */
export type OriginOf = (request: IncomingMessage) => string

const host = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/**
 * The configured redirect URL's origin; else what a trusted proxy says of it (X-Forwarded-Proto, -Host); else the request's
 * own Host. A login needs `https`, or a loopback host: browsers keep our cookies only there.
 */
export function createOriginOf(
  redirectUrl: string | undefined,
  isTrusted: (request: IncomingMessage) => boolean,
): OriginOf {
  const configured = redirectUrl === undefined ? undefined : new URL(redirectUrl).origin

  return function originOf(request) {
    const origin = configured ?? apparentOrigin(request, isTrusted(request))
    if (origin === undefined) throw new GatewayError('login_failed', noOrigin)
    if (!isSecure(origin)) throw new GatewayError('login_insecure', `${origin} ${mend}`)
    return origin
  }
}

const mend =
  'is not https, so browsers would not keep our cookies. Use https; where a proxy does, it must send X-Forwarded-Proto and be in trusted_proxies, or set oidc.redirect_url'

const noOrigin = 'X-Forwarded-Proto, X-Forwarded-Host or Host make no origin: set oidc.redirect_url'

/** What a request says of the origin it was made to; undefined where that is none. */
export function apparentOrigin({ headers, socket }: IncomingMessage, isTrusted: boolean): string | undefined {
  const proto = (isTrusted && headers['x-forwarded-proto']) || ('encrypted' in socket ? 'https' : 'http')
  const name = (isTrusted && headers['x-forwarded-host']) || headers.host
  if (typeof name !== 'string' || typeof proto !== 'string') return undefined
  return host.test(name) && /^https?$/.test(proto) ? URL.parse(`${proto}://${name}`)?.origin : undefined
}

function isSecure(origin: string): boolean {
  const { protocol, hostname } = new URL(origin)
  return protocol === 'https:' || /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
}
