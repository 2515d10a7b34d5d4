import type { IncomingMessage } from 'node:http'
import type { MaybePromise } from '../../async/maybe-promise.ts'
import type { Identity, RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { Provider } from '../provider.ts'

type FindIdentity = (request: IncomingMessage) => MaybePromise<Identity | undefined>

export type OidcProviderOptions = Readonly<{
  findToken: (request: IncomingMessage) => MaybePromise<RequestIdentity | undefined>
  findSession: FindIdentity
  findCookieToken: FindIdentity
  /**
   * Whether only trusted peers may use tokens and sessions. This is necessary in auth-only mode, although a token
   * authenticates its user from any peer: the response contains a password, which only the proxy may receive.
   */
  requiresTrustedPeer: boolean
}>

/** The cookies that may contain a token, in the order in which they are tried. */
export const tokenCookies = ['access_token', 'id_token'] as const

// Created once and reused: many requests throw this error.
const missing = new GatewayError('identity_missing', 'missing authentication headers (no token, no session)')

/**
 * Looks for a token in a header, then for a session of elastauth, then for a token in a cookie that another application
 * set.
 */
export function createOidcProvider(options: OidcProviderOptions): Provider {
  const { findToken, findSession, findCookieToken, requiresTrustedPeer } = options

  return async function identify(context) {
    // `isTrusted` is read before anything is awaited, for the next provider and the log too: a peer that has
    // disconnected has no address.
    const { request, isTrusted } = context
    if (requiresTrustedPeer && !isTrusted) throw untrusted(context)
    const bearer = await findToken(request)
    if (bearer !== undefined) return bearer
    const session = await findSession(request)
    if (session !== undefined) return { identity: session, isAmbient: true }
    const identity = await findCookieToken(request)
    if (identity === undefined) throw missing
    return { identity, isAmbient: true }
  }
}

function untrusted(context: RequestContext): GatewayError {
  const detail = `a request ${context.explainDistrust()} (in auth-only mode, tokens and sessions are accepted from the proxy only)`
  return new GatewayError('peer_untrusted', detail)
}
