import { asGatewayError, GatewayError } from '../http/errors.ts'
import type { Provider } from './provider.ts'

/**
 * Tries the providers in order. The next provider is tried only after identity_missing. After any other error the
 * request is rejected, so that a client with an invalid token cannot fall back to identity headers.
 */
export function createProviderChain(providers: readonly Provider[]): Provider {
  const [only] = providers
  if (providers.length === 1) return only!
  return async function identify(context) {
    const reasons: string[] = []
    for (const provider of providers) {
      try {
        return await provider(context)
      } catch (thrown) {
        const { code, detail } = asGatewayError(thrown)
        if (code !== 'identity_missing') throw thrown
        reasons.push(detail)
      }
    }
    throw new GatewayError('identity_missing', reasons.join('; '))
  }
}
