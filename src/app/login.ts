import { setTimeout as sleep } from 'node:timers/promises'
import type { OwnOriginOf } from '../auth/own-origin.ts'
import type { MapRoles } from '../auth/roles.ts'
import { confirmSignOutPage, signedOutPage } from '../endpoints/html/sign-out.ts'
import { readMethods } from '../http/handler.ts'
import type { RequestContext } from '../http/request-context.ts'
import { createLoginEndpoint } from '../login/begin.ts'
import type { FormUsers } from '../login/form/users.ts'
import { createLoginStates } from '../login/login-state.ts'
import { createLogoutEndpoint } from '../login/logout.ts'
import { createOriginOf } from '../login/origin.ts'
import { createFindSession } from '../login/session-cookie.ts'
import type { Logger } from '../observability/log.ts'
import { createLoginReporter } from '../observability/login-events.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import type { OidcProviderOptions } from '../providers/oidc/index.ts'
import type { OidcTokens } from '../providers/oidc/tokens.ts'
import { createMemorySessionStore } from '../sessions/memory-store.ts'
import { createSeal } from '../sessions/seal.ts'
import { createSessionSeal } from '../sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import type { FormLogin } from './form-login.ts'
import { createLogOnce } from './log-once.ts'
import { createLoginHandlers, type LoginHandlers } from './login-handlers.ts'
import { countLoginEvents } from './login-metrics.ts'
import type { LoginOptions } from './options/login.ts'
import type { ProviderLogin } from './provider-login.ts'
import { createSessionEndpoints } from './session-endpoints.ts'

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
  /** Undefined if users do not sign in at a provider. */
  tokens: OidcTokens | undefined
  /** Undefined if no user has a password. */
  users: FormUsers | undefined
  log: Logger
  /** Undefined if metrics are disabled. */
  metrics: Metrics | undefined
  onSessionRevoked: (username: string) => void
}>

/** What the two ways to sign in share: sessions, sign-out, and which endpoints there are. */
export async function createLoginServices(options: LoginOptions, deps: LoginDeps): Promise<LoginServices> {
  const { secretKeys, maxSessions, isProxy } = options
  const { sessionStore, users, log, metrics, onSessionRevoked } = deps
  // Each way is loaded only if it is configured, because the one at a provider needs openid-client.
  const provider =
    options.provider &&
    deps.tokens &&
    (await import('./provider-login.ts')).createProviderLogin(options.provider, deps.tokens, log, metrics)
  const form =
    options.hasForm && users
      ? (await import('./form-login.ts')).createFormLogin(secretKeys, users, log, metrics)
      : undefined
  const toIdentity = toIdentityWith(provider?.toIdentity, form)
  const now = Date.now
  const store = sessionStore ?? createCountedMemoryStore(maxSessions, metrics)
  const events = countLoginEvents(createLoginReporter(log, toIdentity), metrics?.login)
  const sessions = createSessions({
    store,
    seal: createSessionSeal(createSeal(secretKeys, 'session')),
    timeouts: options.timeouts,
    requestRefresh: provider?.refresh ?? (async () => 'rejected'),
    toIdentity,
    now,
    monotonicNow: () => performance.now(),
    sleep: (milliseconds) => sleep(milliseconds),
    maxCached: maxSessions,
    onRevoked: onSessionRevoked,
    onRefreshFailure: events.refreshFailed,
    onEnded: events.sessionEnded,
  })
  if (sessionStore === undefined) log.info(sessionsInMemory)
  const onOtherReplica = sessionStore === undefined ? createLogOnce(log, 'warn', otherReplica) : undefined
  const loginStates = createLoginStates(createSeal(secretKeys, 'login'), secretKeys[0], now)
  const find = form?.findCurrent(sessions, events.sessionEnded) ?? sessions.find
  const findSession = createFindSession({ find })
  const sessionEndpoints = createSessionEndpoints({ findSession, sessions, events })
  const pages = {
    confirm: (endSession: URL | undefined) => confirmSignOutPage(endSession, provider !== undefined),
    signedOut: signedOutPage,
  }

  return Object.freeze<LoginServices>({
    handleEvent: sessions.handleEvent,
    recheckAll: sessions.recheckAll,
    findSession,
    createHandlers({ ownOriginOf, subRequestStatus, mapRoles }) {
      const shared = {
        loginStates,
        sessions: { ...sessions, find },
        originOf: createOriginOf(ownOriginOf, provider !== undefined),
        subRequestStatus,
        onOtherReplica,
        onSignedIn: (login: Login, context: RequestContext) => events.signedIn(login, mapRoles, context),
      }
      const atProvider = provider?.createEndpoints({ ...shared, store, onSessionsEnded: events.signedOutAtProvider })
      const withForm = form?.createEndpoint({ ...shared, beginAtProvider: atProvider?.begin })
      const begin = (withForm ?? atProvider)!.begin
      return createLoginHandlers({
        beginLogin: begin,
        login: withForm ?? { methods: readMethods, handle: createLoginEndpoint(begin) },
        callback: atProvider?.callback,
        logout: createLogoutEndpoint({
          sessions,
          provider: provider?.logout,
          isLocal: form?.isFormSession ?? (() => false),
          originOf: shared.originOf,
          pages,
          onSignedOut: events.signedOut,
        }),
        backchannel: atProvider?.backchannel,
        revokeSession: sessions.revoke,
        sessionEndpoints: (deps) => sessionEndpoints({ ...deps, originOf: shared.originOf }),
        isProxy,
      })
    },
  })
}

/** Converts the claims of both kinds of sessions. */
function toIdentityWith(atProvider: ProviderLogin['toIdentity'] | undefined, form: FormLogin | undefined) {
  if (form === undefined) return atProvider!
  const { toIdentity, isFormSession } = form
  if (atProvider === undefined) return toIdentity
  return (claims: Login['claims'], authenticatedAt?: number) =>
    (isFormSession({ claims }) ? toIdentity : atProvider)(claims, authenticatedAt)
}

function createCountedMemoryStore(maxSessions: number, metrics: Metrics | undefined): SessionStore {
  const store = createMemorySessionStore(maxSessions, Date.now)
  metrics?.read('elastauth_sessions', store.count)
  return store
}

const sessionsInMemory =
  'sessions are in memory: they end with this process, and other replicas do not know them; for several replicas, set cache.type: redis'

const otherReplica =
  'a sign-in that began at another replica ended at this one, but replicas whose sessions are in memory do not share them, so users may ' +
  'have to sign in again and again: set cache.type: redis, or let the load balancer send each browser to one replica'
