import { type MaybePromise, recover } from '../async/maybe-promise.ts'
import type { RequestIdentity } from '../auth/identity.ts'
import { asGatewayError, GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Provider } from './provider.ts'

/**
 * Tries the providers in order. The next provider is tried only after identity_missing. After any other error the
 * request is rejected, so that a client with an invalid token cannot fall back to identity headers.
 */
export function createProviderChain(providers: readonly Provider[]): Provider {
  const [only] = providers
  return providers.length === 1 ? only! : (context) => identifyFrom(context, 0, [])

  function identifyFrom(context: RequestContext, index: number, reasons: string[]): MaybePromise<RequestIdentity> {
    const provider = providers[index]
    if (provider === undefined) throw new GatewayError('identity_missing', reasons.join('; '))
    return recover(
      () => provider(context),
      (thrown) => {
        const { code, detail } = asGatewayError(thrown)
        if (code !== 'identity_missing') throw thrown
        return identifyFrom(context, index + 1, [...reasons, detail])
      },
    )
  }
}
