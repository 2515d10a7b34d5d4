import type { IncomingMessage } from 'node:http'
import { chain, type MaybePromise } from '../../async/maybe-promise.ts'
import type { Identity, RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { Provider } from '../provider.ts'

type Find = (request: IncomingMessage) => MaybePromise<Identity | undefined>

export type OidcProviderOptions = Readonly<{
  findToken: Find
  findSession: Find
  findCookieToken: Find
  /**
   * Only a trusted peer is told whose token or session it is. Tokens prove themselves, whoever brings them; but in
   * auth-only mode the answer holds a password, and is for the proxy alone.
   */
  requiresTrustedPeer: boolean
}>

/** The cookies that may hold a token, in the order in which they are tried. */
export const tokenCookies = ['access_token', 'id_token'] as const

// Thrown with many a request, so they are made once.
const missing = new GatewayError('identity_missing', 'missing authentication headers (no token, no session)')
const untrusted = new GatewayError(
  'peer_untrusted',
  'a peer that is not in trusted_proxies, or without the proxy_secret: tokens and sessions are answered to the proxy only',
)

/** A token that the request shows in a header, a session of ours, a token that somebody else put into a cookie. */
export function createOidcProvider(options: OidcProviderOptions): Provider {
  const { findToken, findSession, findCookieToken, requiresTrustedPeer } = options

  return function identify(request, isTrusted) {
    if (requiresTrustedPeer && !isTrusted) throw untrusted
    return chain(
      findToken(request),
      // Browsers add cookies themselves, but add this header only for a script of an allowed origin (CORS).
      (bearer) => (bearer ? { identity: bearer, isAmbient: false } : findByCookie(request)),
    )
  }

  function findByCookie(request: IncomingMessage): MaybePromise<RequestIdentity> {
    return chain(findSession(request), (session) => {
      if (session !== undefined) return { identity: session, isAmbient: true }
      return chain(findCookieToken(request), (identity) => {
        if (identity === undefined) throw missing
        return { identity, isAmbient: true }
      })
    })
  }
}
