import { createIsOwnNonce } from '../login/nonce.ts'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import { createOidcTokens, type OidcTokens } from '../providers/oidc/tokens.ts'
import { type OidcOptions, providerCa } from './options/oidc.ts'
import type { PrepareReload } from './reload.ts'
import type { Tracing } from './tracing.ts'

/** The part of OpenID Connect that a reload of the configuration does not replace: the provider and verified tokens. */
export type Oidc = OidcTokens & Readonly<{ prepareReload: PrepareReload }>

export function createOidc(
  { tokens: options, loginKeys }: OidcOptions,
  log: Logger,
  { tracing, metrics }: Readonly<{ tracing: Tracing | undefined; metrics: Metrics | undefined }>,
): Oidc {
  const tokens = createOidcTokens({
    ...options,
    countCall: metrics?.providerCalled,
    isOwnNonce: loginKeys && createIsOwnNonce(loginKeys),
    traceFetch: tracing?.provider,
    now: Date.now,
    monotonicNow: () => performance.now(),
    reportProblem(problem) {
      if (problem === undefined) logEvent(log, 'provider_up', {}, 'connected to the identity provider')
      else {
        const fields = { 'error.code': 'provider_unavailable' }
        logEvent(log, 'provider_down', fields, `${problem}; retrying when it is needed`)
      }
    },
  })
  return Object.freeze<Oidc>({ ...tokens, prepareReload: (next) => tokens.prepareRenewal(providerCa(next)) })
}
