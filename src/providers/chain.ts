import type { IncomingMessage } from 'node:http'
import { type MaybePromise, recover } from '../async/maybe-promise.ts'
import type { RequestIdentity } from '../auth/identity.ts'
import { asGatewayError, GatewayError } from '../http/errors.ts'
import type { Provider } from './provider.ts'

/**
 * Asks one provider after the other. The first one that a request has something for decides, for good or ill: what is
 * refused there is refused. Only where there is nothing (identity_missing) is the next one asked.
 */
export function createProviderChain(providers: readonly Provider[]): Provider {
  const [only] = providers
  return providers.length === 1 ? only! : (request, isTrusted) => ask(request, isTrusted, 0, [])

  function ask(
    request: IncomingMessage,
    isTrusted: boolean,
    index: number,
    missed: string[],
  ): MaybePromise<RequestIdentity> {
    const provider = providers[index]
    if (provider === undefined) throw new GatewayError('identity_missing', missed.join('; '))
    return recover(
      () => provider(request, isTrusted),
      (thrown) => {
        const { code, detail } = asGatewayError(thrown)
        if (code !== 'identity_missing') throw thrown
        return ask(request, isTrusted, index + 1, [...missed, detail])
      },
    )
  }
}
