import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/schema.ts'
import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import { createBackchannelEndpoint } from '../login/backchannel.ts'
import { createGrants } from '../login/grants.ts'
import { createLoginStates } from '../login/login-state.ts'
import type { OidcTokens } from '../providers/oidc/tokens.ts'
import { createMemorySessionStore } from '../sessions/memory-store.ts'
import { createSeal } from '../sessions/seal.ts'
import { createSessionSeal } from '../sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { createLoginHandlers, type LoginHandlers, type LoginHandlersOptions } from './login-handlers.ts'

/** What of login lives as long as the process: sessions above all. */
export type LoginServices = Pick<Sessions, 'note' | 'recheckAll'> &
  Readonly<{
    createHandlers: (
      options: Pick<LoginHandlersOptions, 'ownOriginOf' | 'originalOf' | 'subRequestStatus'>,
    ) => LoginHandlers
  }>

export type LoginDeps = Readonly<{
  /** Where replicas share sessions; undefined where each process has its own. */
  sessionStore: SessionStore | undefined
  tokens: OidcTokens
  /** A user's session has ended. */
  onEnded: (username: string) => void
  /** A session could not be refreshed. */
  onFailure: (error: unknown) => void
  /** A user has logged in whose session cannot be refreshed. */
  onUnrefreshable: () => void
}>

/** Logins that we speak with the provider about at a time, and those that wait: together with tokens, fewer than there are connections. */
const loggingIn = 8
const waitingToLogIn = 56

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
    parameters: oidc.authorization_parameters,
    inTurn: createConcurrencyLimit(loggingIn, waitingToLogIn),
    combineClaims,
    now,
  })
  const sessions = createSessions({
    store,
    seal: createSessionSeal(createSeal(secrets, 'session')),
    rules: { idleTimeout: session.idle_timeout, lifetime: session.lifetime, grace: session.grace },
    redeem: grants.refresh,
    toIdentity,
    now,
    monotonicNow,
    sleep: (milliseconds) => sleep(milliseconds),
    maxKnown: maxSessions,
    onEnded: deps.onEnded,
    onFailure: deps.onFailure,
  })
  const open = (login: Login) => {
    if (login.refreshToken === undefined) deps.onUnrefreshable()
    return sessions.open(login)
  }
  const loginHandlersOptions = {
    attempts: createLoginStates(createSeal(secrets, 'login'), secrets[0], now),
    grants,
    sessions: { ...sessions, open },
    backchannel: createBackchannelEndpoint({ verify: verifyLogoutToken, sessions, once: store.once }),
    configuration: issuer.configuration,
    postLogoutRedirectUrl: oidc.post_logout_redirect_url ?? undefined,
    isProxy: config.proxy.enabled,
  } as const
  return Object.freeze({
    createHandlers: (options) => createLoginHandlers({ ...loginHandlersOptions, ...options }),
    note: sessions.note,
    recheckAll: sessions.recheckAll,
  })
}
