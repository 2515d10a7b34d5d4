import { setTimeout as sleep } from 'node:timers/promises'
import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import { asGatewayError } from '../http/errors.ts'
import { createBackchannelEndpoint } from '../login/backchannel.ts'
import { createGrants } from '../login/grants.ts'
import { createLoginStates } from '../login/login-state.ts'
import type { Logger } from '../observability/log.ts'
import { queueFullError } from '../providers/oidc/provider-error.ts'
import type { OidcTokens } from '../providers/oidc/tokens.ts'
import { createMemorySessionStore } from '../sessions/memory-store.ts'
import { createSeal } from '../sessions/seal.ts'
import { createSessionSeal } from '../sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { createLoginHandlers, type LoginHandlers, type LoginHandlersOptions } from './login-handlers.ts'
import type { LoginOptions } from './options/oidc.ts'

/** The part of the login that a reload of the configuration does not replace, in particular the sessions. */
export type LoginServices = Pick<Sessions, 'handleEvent' | 'recheckAll'> &
  Readonly<{
    createHandlers: (options: Pick<LoginHandlersOptions, 'ownOriginOf' | 'subRequestStatus'>) => LoginHandlers
  }>

type LoginDeps = Readonly<{
  /** The store in which replicas share sessions; undefined if each process stores its own. */
  sessionStore: SessionStore | undefined
  tokens: OidcTokens
  log: Logger
  onSessionRevoked: (username: string) => void
}>

/**
 * Limits for concurrent and queued code exchanges at the provider. Together with the concurrent token checks, they use
 * fewer connections than are open to the provider.
 */
const maxConcurrentGrants = 8
const maxQueuedGrants = 56

export function createLoginServices(options: LoginOptions, deps: LoginDeps): LoginServices {
  const { secretKeys, maxSessions } = options
  const { log } = deps
  const { issuer, toIdentity, combineClaims, verifyLogoutToken } = deps.tokens
  const now = Date.now
  const store = deps.sessionStore ?? createMemorySessionStore(maxSessions, now)
  const grants = createGrants({
    configuration: issuer.configuration,
    scopes: options.scopes,
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
    requestRefresh: grants.refresh,
    toIdentity,
    now,
    monotonicNow: () => performance.now(),
    sleep: (milliseconds) => sleep(milliseconds),
    maxCached: maxSessions,
    onRevoked: deps.onSessionRevoked,
    onRefreshFailure(thrown) {
      const { code, detail } = asGatewayError(thrown)
      log.warn({ 'error.code': code }, `cannot refresh a session: ${detail}`)
    },
  })
  const reportMissingRefreshToken = createReportMissingRefreshToken(log)
  const create = (login: Login) => {
    if (login.refreshToken === undefined) reportMissingRefreshToken()
    return sessions.create(login)
  }
  const loginHandlersOptions = {
    loginStates: createLoginStates(createSeal(secretKeys, 'login'), secretKeys[0], now),
    grants,
    sessions: { ...sessions, create },
    backchannel: createBackchannelEndpoint({ verify: verifyLogoutToken, sessions, useOnce: store.useOnce }),
    configuration: issuer.configuration,
    postLogoutRedirectUrl: options.postLogoutRedirectUrl,
    isProxy: options.isProxy,
  } as const
  return Object.freeze({
    createHandlers: (handlersOptions: Parameters<LoginServices['createHandlers']>[0]) =>
      createLoginHandlers({ ...loginHandlersOptions, ...handlersOptions }),
    handleEvent: sessions.handleEvent,
    recheckAll: sessions.recheckAll,
  })
}

/** Logs a hint for the first login whose session cannot be refreshed. */
function createReportMissingRefreshToken(log: Logger): () => void {
  let isLogged = false
  return function reportMissingRefreshToken() {
    if (!isLogged) log.info(missingRefreshToken)
    isLogged = true
  }
}

const missingRefreshToken =
  'the provider sends no refresh token, so groups do not change during a session: request one, for example with the scope offline_access'
