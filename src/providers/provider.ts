import type { MaybePromise } from '../async/maybe-promise.ts'
import type { RequestIdentity } from '../auth/identity.ts'
import type { RequestContext } from '../http/request-context.ts'

/**
 * Returns a request's identity. The same assertion yields the same frozen object, so that results derived from it can
 * be cached. Throws, or rejects with, GatewayError identity_missing, peer_untrusted, identity_invalid, or a code of the
 * provider's own.
 */
export type Provider = (context: RequestContext) => MaybePromise<RequestIdentity>
