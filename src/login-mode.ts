import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/schema.ts'
import { createAttempts } from './login/attempt.ts'
import { createBackchannelPage } from './login/backchannel.ts'
import { createGrants } from './login/grants.ts'
import { createLoginFront, type LoginFront, type LoginFrontOptions } from './login-front.ts'
import type { OidcDeps } from './oidc.ts'
import type { OidcTokens } from './providers/oidc/tokens.ts'
import { createTurns } from './providers/oidc/turns.ts'
import { createMemorySessionStore } from './sessions/memory-store.ts'
import { createSeal } from './sessions/seal.ts'
import { createSessionSeal } from './sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from './sessions/sessions.ts'

/** What of login lives as long as the process: sessions above all. */
export type LoginParts = Pick<Sessions, 'note' | 'recheckAll'> &
  Readonly<{
    createFront: (options: Pick<LoginFrontOptions, 'ownOriginOf' | 'originalOf' | 'subRequestStatus'>) => LoginFront
  }>

type Deps = OidcDeps &
  Readonly<{
    tokens: OidcTokens
    /** A session could not be refreshed, and why. */
    onFailure: (error: unknown) => void
    /** Somebody has logged in whose session nothing can refresh. */
    onUnrefreshable: () => void
  }>

/** Logins that we speak with the provider about at a time, and those that wait: together with tokens, fewer than there are connections. */
const loggingIn = 8
const waitingToLogIn = 56

export function createLoginParts(config: Config, deps: Deps): LoginParts {
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
    inTurn: createTurns(loggingIn, waitingToLogIn),
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
  const forFront = {
    attempts: createAttempts(createSeal(secrets, 'login'), secrets[0], now),
    grants,
    sessions: { ...sessions, open },
    backchannel: createBackchannelPage({ verify: verifyLogoutToken, sessions, once: store.once }),
    configuration: issuer.configuration,
    postLogoutRedirectUrl: oidc.post_logout_redirect_url ?? undefined,
    isProxy: config.proxy.enabled,
  } as const
  return Object.freeze({
    createFront: (options) => createLoginFront({ ...forFront, ...options }),
    note: sessions.note,
    recheckAll: sessions.recheckAll,
  })
}
