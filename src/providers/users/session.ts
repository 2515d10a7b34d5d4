import type { IncomingMessage } from 'node:http'
import type { MaybePromise } from '../../async/maybe-promise.ts'
import type { Identity, RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { Provider } from '../provider.ts'

export type SessionProviderOptions = Readonly<{
  findSession: (request: IncomingMessage) => MaybePromise<Identity | undefined>
  /** As in auth-only mode: the response contains a credential. */
  requiresTrustedPeer: boolean
}>

// Created once and reused: many requests throw this error.
const missing = new GatewayError('identity_missing', 'missing authentication headers (no password, no session)')

/** Looks for the session of a sign-in with the form. */
export function createSessionProvider({ findSession, requiresTrustedPeer }: SessionProviderOptions): Provider {
  return function identify(context) {
    if (requiresTrustedPeer && !context.isTrusted) {
      const detail = `a request ${context.explainDistrust()} (in auth-only mode, sessions are accepted from the proxy only)`
      throw new GatewayError('peer_untrusted', detail)
    }
    const session = findSession(context.request)
    return session instanceof Promise ? session.then(toAmbient) : toAmbient(session)
  }
}

function toAmbient(identity: Identity | undefined): RequestIdentity {
  if (identity === undefined) throw missing
  return { identity, isAmbient: true }
}
