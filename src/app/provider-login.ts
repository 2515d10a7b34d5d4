import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import type { Handler } from '../http/handler.ts'
import type { GatewayResponse } from '../http/response.ts'
import { type BackchannelOptions, createBackchannelEndpoint } from '../login/backchannel.ts'
import { type BeginLogin, type BeginLoginOptions, createBeginLogin } from '../login/begin.ts'
import { type CallbackOptions, createCallbackEndpoint } from '../login/callback.ts'
import { createGrants } from '../login/grants.ts'
import type { LoginRequest } from '../login/login-request.ts'
import { createProviderLogout, type ProviderLogout } from '../login/provider-logout.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import { queueFullError } from '../providers/oidc/provider-error.ts'
import type { OidcTokens } from '../providers/oidc/tokens.ts'
import type { RequestRefresh } from '../sessions/refresh.ts'
import type { Login, Sessions } from '../sessions/sessions.ts'
import { createLogOnce } from './log-once.ts'
import { countFailedSignIns, countRefreshes } from './login-metrics.ts'
import type { ProviderLoginOptions } from './options/login.ts'
import { requestedScopes } from './options/oidc.ts'

/** The sign-in at an OpenID provider. */
export type ProviderLogin = Readonly<{
  toIdentity: OidcTokens['toIdentity']
  refresh: RequestRefresh
  logout: ProviderLogout
  createEndpoints: (options: ProviderEndpointsOptions) => ProviderEndpoints
}>

type ProviderEndpointsOptions = Pick<BackchannelOptions, 'store' | 'onSessionsEnded'> &
  Omit<CallbackOptions, 'grants' | 'beginLogin'> &
  Pick<BeginLoginOptions, 'subRequestStatus'> &
  Readonly<{ sessions: Sessions }>

type ProviderEndpoints = Readonly<{
  begin: BeginLogin
  callback: (login: LoginRequest) => Promise<GatewayResponse>
  backchannel: Handler
}>

/**
 * Limits for concurrent and queued code exchanges at the provider. Together with the concurrent token checks, they use
 * fewer connections than are open to the provider.
 */
const maxConcurrentGrants = 8
const maxQueuedGrants = 56

export function createProviderLogin(
  options: ProviderLoginOptions,
  { issuer, toIdentity, combineClaims, verifyLogoutToken }: OidcTokens,
  log: Logger,
  metrics: Metrics | undefined,
): ProviderLogin {
  const { configuration } = issuer
  const reportDroppedScope = createLogOnce(log, 'warn', groupsNotRequested)
  const reportMissingRefreshToken = createLogOnce(log, 'info', missingRefreshToken)
  const grants = createGrants({
    configuration,
    scopesFor(supported) {
      const requested = requestedScopes(options, supported)
      if (requested.length < options.scopes.length) reportDroppedScope()
      return requested
    },
    usePkce: options.usePkce,
    extraParameters: options.extraParameters,
    limitConcurrency: createConcurrencyLimit({
      maxConcurrent: maxConcurrentGrants,
      maxQueued: maxQueuedGrants,
      onQueueFull: () => queueFullError(maxQueuedGrants),
    }),
    combineClaims,
    now: Date.now,
  })

  return Object.freeze<ProviderLogin>({
    toIdentity,
    refresh: countRefreshes(grants.refresh, metrics?.login),
    logout: createProviderLogout({ configuration, postLogoutRedirectUrl: options.postLogoutRedirectUrl }),
    createEndpoints({ sessions, store, onSessionsEnded, subRequestStatus, ...shared }) {
      const create = (login: Login) => {
        if (login.refreshToken === undefined) reportMissingRefreshToken()
        return sessions.create(login)
      }
      const begin = createBeginLogin({ ...shared, grants, subRequestStatus })
      const callback = createCallbackEndpoint({
        ...shared,
        grants,
        sessions: { ...sessions, create },
        beginLogin: begin,
      })
      return {
        begin,
        callback: countFailedSignIns(callback, metrics?.login),
        backchannel: createBackchannelEndpoint({ verify: verifyLogoutToken, sessions, store, onSessionsEnded }),
      }
    },
  })
}

const groupsNotRequested =
  'the provider does not list the scope groups, so it is not requested: set oidc.scopes to what the provider needs to send the groups'

const missingRefreshToken =
  'the provider sends no refresh token, so groups do not change during a session: request one, for example with the scope offline_access'
