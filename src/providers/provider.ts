import type { IncomingMessage } from 'node:http'
import type { MaybePromise } from '../async/maybe-promise.ts'
import type { RequestIdentity } from '../auth/identity.ts'

/**
 * Request → identity. The identity is the same frozen object for the same assertion, so that results derived from it can be cached.
 * Throws, or rejects with, GatewayError identity_missing, peer_untrusted, identity_invalid, or a code of its own.
 */
export type Provider = (request: IncomingMessage, isTrusted: boolean) => MaybePromise<RequestIdentity>

/** For the details of GatewayError peer_untrusted. */
export const untrustedPeer = 'a peer that is not in trusted_proxies or did not send the proxy_secret'
