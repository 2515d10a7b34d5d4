import type { Identity } from '../auth/identity.ts'
import { GatewayError } from '../http/errors.ts'
import type { Provider } from './provider.ts'

/** One identity for every trusted peer, for local development. */
export function createStaticProvider(identity: Identity): Provider {
  const identified = Object.freeze({ identity, isAmbient: true })

  return function identify(context) {
    if (context.isTrusted) return identified
    throw new GatewayError('peer_untrusted', `a request ${context.explainDistrust()}`)
  }
}
