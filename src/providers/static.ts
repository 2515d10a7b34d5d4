import type { Identity } from '../auth/identity.ts'
import { GatewayError } from '../errors.ts'
import type { Provider } from './index.ts'

/** One identity for every trusted peer: for local development. */
export function createStaticProvider(identity: Identity): Provider {
  return function identify(_request, isTrusted) {
    if (isTrusted) return identity
    throw new GatewayError('peer_untrusted', 'a peer that is not in trusted_proxies, or without the proxy_secret')
  }
}
