import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/schema.ts'
import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import { createBackchannelEndpoint } from '../login/backchannel.ts'
import { createGrants } from '../login/grants.ts'
import { createLoginStates } from '../login/login-state.ts'
import { queueFullError } from '../providers/oidc/provider-error.ts'
import type { OidcTokens } from '../providers/oidc/tokens.ts'
import { createMemorySessionStore } from '../sessions/memory-store.ts'
import { createSeal } from '../sessions/seal.ts'
import { createSessionSeal } from '../sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { createLoginHandlers, type LoginHandlers, type LoginHandlersOptions } from './login-handlers.ts'

/** The part of the login that a reload of the configuration does not replace, in particular the sessions. */
export type LoginServices = Pick<Sessions, 'handleEvent' | 'recheckAll'> &
  Readonly<{
    createHandlers: (options: Pick<LoginHandlersOptions, 'ownOriginOf' | 'subRequestStatus'>) => LoginHandlers
  }>

export type LoginDeps = Readonly<{
  /** The store in which replicas share sessions; undefined if each process stores its own. */
  sessionStore: SessionStore | undefined
  tokens: OidcTokens
  onSessionRevoked: (username: string) => void
  onRefreshFailure: (error: unknown) => void
  /** Called for each login whose session cannot be refreshed. */
  onMissingRefreshToken: () => void
}>

/**
 * Limits for concurrent and queued code exchanges at the provider. Together with the concurrent token checks, they use
 * fewer connections than are open to the provider.
 */
const maxConcurrentGrants = 8
const maxQueuedGrants = 56

export function createLoginServices(config: Config, deps: LoginDeps): LoginServices {
  const { oidc, session } = config
  const { issuer, toIdentity, combineClaims, verifyLogoutToken } = deps.tokens
  const now = Date.now
  const monotonicNow = () => performance.now()
  const secrets = [config.secret_key!, ...config.previous_secret_keys] as const
  const maxSessions = config.cache.max_entries
  const store = deps.sessionStore ?? createMemorySessionStore(maxSessions, now)
  const grants = createGrants({
    configuration: issuer.configuration,
    scopes: oidc.scopes,
    usePkce: oidc.use_pkce,
    extraParameters: oidc.authorization_parameters,
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
    seal: createSessionSeal(createSeal(secrets, 'session')),
    timeouts: { idleTimeoutMs: session.idle_timeout, lifetimeMs: session.lifetime, graceMs: session.grace },
    requestRefresh: grants.refresh,
    toIdentity,
    now,
    monotonicNow,
    sleep: (milliseconds) => sleep(milliseconds),
    maxCached: maxSessions,
    onRevoked: deps.onSessionRevoked,
    onRefreshFailure: deps.onRefreshFailure,
  })
  const create = (login: Login) => {
    if (login.refreshToken === undefined) deps.onMissingRefreshToken()
    return sessions.create(login)
  }
  const loginHandlersOptions = {
    loginStates: createLoginStates(createSeal(secrets, 'login'), secrets[0], now),
    grants,
    sessions: { ...sessions, create },
    backchannel: createBackchannelEndpoint({ verify: verifyLogoutToken, sessions, useOnce: store.useOnce }),
    configuration: issuer.configuration,
    postLogoutRedirectUrl: oidc.post_logout_redirect_url ?? undefined,
    isProxy: config.proxy.enabled,
  } as const
  return Object.freeze({
    createHandlers: (options: Parameters<LoginServices['createHandlers']>[0]) =>
      createLoginHandlers({ ...loginHandlersOptions, ...options }),
    handleEvent: sessions.handleEvent,
    recheckAll: sessions.recheckAll,
  })
}
