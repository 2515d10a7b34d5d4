import { setTimeout as sleep } from 'node:timers/promises'
import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import type { OwnOriginOf } from '../auth/own-origin.ts'
import type { MapRoles } from '../auth/roles.ts'
import { confirmSignOutPage, signedOutPage } from '../endpoints/html/sign-out.ts'
import { createBackchannelEndpoint } from '../login/backchannel.ts'
import { createBeginLogin } from '../login/begin.ts'
import { createCallbackEndpoint } from '../login/callback.ts'
import { createGrants } from '../login/grants.ts'
import { createLoginStates } from '../login/login-state.ts'
import { createLogoutEndpoint } from '../login/logout.ts'
import { createOriginOf } from '../login/origin.ts'
import { createFindSession } from '../login/session-cookie.ts'
import type { Logger } from '../observability/log.ts'
import { createLoginReporter } from '../observability/login-events.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import type { OidcProviderOptions } from '../providers/oidc/index.ts'
import { queueFullError } from '../providers/oidc/provider-error.ts'
import type { OidcTokens } from '../providers/oidc/tokens.ts'
import { createMemorySessionStore } from '../sessions/memory-store.ts'
import { createSeal } from '../sessions/seal.ts'
import { createSessionSeal } from '../sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { createLoginHandlers, type LoginHandlers } from './login-handlers.ts'
import { countFailedSignIns, countLoginEvents, countRefreshes } from './login-metrics.ts'
import { type LoginOptions, requestedScopes } from './options/oidc.ts'

/** The part of the login that a reload of the configuration does not replace, in particular the sessions. */
export type LoginServices = Pick<Sessions, 'handleEvent' | 'recheckAll'> &
  Readonly<{
    findSession: OidcProviderOptions['findSession']
    /** Creates the part that a reload replaces. */
    createHandlers: (options: ReloadableLoginOptions) => LoginHandlers
  }>

type ReloadableLoginOptions = Readonly<{ ownOriginOf: OwnOriginOf; subRequestStatus: 302 | 401; mapRoles: MapRoles }>

type LoginDeps = Readonly<{
  /** The store in which replicas share sessions; undefined if each process stores its own. */
  sessionStore: SessionStore | undefined
  tokens: OidcTokens
  log: Logger
  /** Undefined if metrics are disabled. */
  metrics: Metrics | undefined
  onSessionRevoked: (username: string) => void
}>

/**
 * Limits for concurrent and queued code exchanges at the provider. Together with the concurrent token checks, they use
 * fewer connections than are open to the provider.
 */
const maxConcurrentGrants = 8
const maxQueuedGrants = 56

export function createLoginServices(options: LoginOptions, deps: LoginDeps): LoginServices {
  const { secretKeys, maxSessions, isProxy, postLogoutRedirectUrl } = options
  const { sessionStore, log, metrics, onSessionRevoked } = deps
  const { issuer, toIdentity, combineClaims, verifyLogoutToken } = deps.tokens
  const { configuration } = issuer
  const now = Date.now
  const store = sessionStore ?? createCountedMemoryStore(maxSessions, metrics)
  const events = countLoginEvents(createLoginReporter(log, toIdentity), metrics?.login)
  const reportDroppedScope = createLogOnce(log, 'warn', groupsNotRequested)
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
    now,
  })
  const sessions = createSessions({
    store,
    seal: createSessionSeal(createSeal(secretKeys, 'session')),
    timeouts: options.timeouts,
    requestRefresh: countRefreshes(grants.refresh, metrics?.login),
    toIdentity,
    now,
    monotonicNow: () => performance.now(),
    sleep: (milliseconds) => sleep(milliseconds),
    maxCached: maxSessions,
    onRevoked: onSessionRevoked,
    onRefreshFailure: events.refreshFailed,
    onEnded: events.sessionEnded,
  })
  const reportMissingRefreshToken = createLogOnce(log, 'info', missingRefreshToken)
  const create = (login: Login) => {
    if (login.refreshToken === undefined) reportMissingRefreshToken()
    return sessions.create(login)
  }
  if (sessionStore === undefined) log.info(sessionsInMemory)
  const onOtherReplica = sessionStore === undefined ? createLogOnce(log, 'warn', otherReplica) : undefined
  const loginStates = createLoginStates(createSeal(secretKeys, 'login'), secretKeys[0], now)
  const backchannel = createBackchannelEndpoint({
    verify: verifyLogoutToken,
    sessions,
    store,
    onSessionsEnded: events.signedOutAtProvider,
  })
  const pages = { confirm: confirmSignOutPage, signedOut: signedOutPage }

  return Object.freeze<LoginServices>({
    handleEvent: sessions.handleEvent,
    recheckAll: sessions.recheckAll,
    findSession: createFindSession(sessions),
    createHandlers({ ownOriginOf, subRequestStatus, mapRoles }) {
      const originOf = createOriginOf(ownOriginOf)
      const beginLogin = createBeginLogin({ loginStates, grants, originOf, subRequestStatus })
      const { find, revoke } = sessions
      return createLoginHandlers({
        beginLogin,
        callback: countFailedSignIns(
          createCallbackEndpoint({
            loginStates,
            grants,
            sessions: { find, create, revoke },
            originOf,
            beginLogin,
            onOtherReplica,
            onSignedIn: (login, context) => events.signedIn(login, mapRoles, context),
          }),
          metrics?.login,
        ),
        logout: createLogoutEndpoint({
          sessions,
          configuration,
          originOf,
          postLogoutRedirectUrl,
          pages,
          onSignedOut: events.signedOut,
        }),
        backchannel,
        isProxy,
      })
    },
  })
}

function createCountedMemoryStore(maxSessions: number, metrics: Metrics | undefined): SessionStore {
  const store = createMemorySessionStore(maxSessions, Date.now)
  metrics?.read('elastauth_sessions', store.count)
  return store
}

/** Logs a hint at the first login to which it applies. */
function createLogOnce(log: Logger, level: 'info' | 'warn', hint: string): () => void {
  let isLogged = false
  return function logOnce() {
    if (!isLogged) log[level](hint)
    isLogged = true
  }
}

const groupsNotRequested =
  'the provider does not list the scope groups, so it is not requested: set oidc.scopes to what the provider needs to send the groups'

const sessionsInMemory =
  'sessions are in memory: they end with this process, and other replicas do not know them; for several replicas, set cache.type: redis'

const otherReplica =
  'a sign-in that began at another replica ended at this one, but replicas whose sessions are in memory do not share them, so users may ' +
  'have to sign in again and again: set cache.type: redis, or let the load balancer send each browser to one replica'

const missingRefreshToken =
  'the provider sends no refresh token, so groups do not change during a session: request one, for example with the scope offline_access'
