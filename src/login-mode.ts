import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/schema.ts'
import type { Answer } from './answer.ts'
import { GatewayError } from './errors.ts'
import { type Asked, askedDirectly, createAskedOf } from './login/asked.ts'
import { createAttempts } from './login/attempt.ts'
import { createBackchannelPage } from './login/backchannel.ts'
import { createBeginLogin, createLoginPage } from './login/begin.ts'
import { createCallbackPage } from './login/callback.ts'
import { createGrants } from './login/grants.ts'
import { createLogoutPage } from './login/logout.ts'
import { isNavigation } from './login/navigation.ts'
import { createOriginOf } from './login/origin.ts'
import { createSessionOf } from './login/session-of.ts'
import type { OidcDeps } from './oidc.ts'
import { confirmSignOutPage, signedOutPage } from './pages/sign-out.ts'
import type { OidcProviderOptions } from './providers/oidc/index.ts'
import type { OidcTokens } from './providers/oidc/tokens.ts'
import { type Handler, type Mode, ownPath, type Page, readMethods } from './route.ts'
import { createMemorySessionStore } from './sessions/memory-store.ts'
import { createSeal } from './sessions/seal.ts'
import { createSessionSeal } from './sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from './sessions/sessions.ts'

/** What of login lives as long as the process: sessions above all. */
export type LoginParts = Pick<Sessions, 'note' | 'recheckAll'> &
  Readonly<{ createFront: (isTrusted: (request: IncomingMessage) => boolean) => LoginFront }>

/** What a reload makes anew. */
export type LoginFront = Readonly<{
  findSession: OidcProviderOptions['findSession']
  /** By their paths. */
  pages: ReadonlyMap<string, Page>
  /** The same mode, which sends people who are not known yet to the provider. */
  withLogin: (mode: Mode) => Mode
  /** For pages of others whose logout is ours. */
  logout: Readonly<{
    isNavigation: (request: IncomingMessage) => boolean
    signOut: (request: IncomingMessage) => Promise<Answer>
  }>
}>

type Deps = OidcDeps &
  Readonly<{
    tokens: OidcTokens
    /** A session could not be refreshed, and why. */
    onFailure: (error: unknown) => void
    /** Somebody has logged in whose session nothing can refresh. */
    onUnrefreshable: () => void
  }>

export function createLoginParts(config: Config, deps: Deps): LoginParts {
  const { oidc, session } = config
  const { issuer, toIdentity, verifyLogoutToken } = deps.tokens
  const now = Date.now
  const secrets = [config.secret_key!, ...config.previous_secret_keys] as const
  const maxSessions = config.cache.max_entries
  const store = deps.sessionStore ?? createMemorySessionStore(maxSessions, now)
  const grants = createGrants({
    configuration: issuer.configuration,
    scopes: oidc.scopes,
    usePkce: oidc.use_pkce,
    parameters: oidc.authorization_parameters,
    now,
  })
  const sessions = createSessions({
    store,
    seal: createSessionSeal(createSeal(secrets, 'session')),
    rules: { idleTimeout: session.idle_timeout, lifetime: session.lifetime, grace: session.grace },
    redeem: grants.refresh,
    toIdentity,
    now,
    sleep: (milliseconds) => sleep(milliseconds),
    maxKnown: maxSessions,
    onEnded: deps.onEnded,
    onFailure: deps.onFailure,
  })
  const attempts = createAttempts(createSeal(secrets, 'login'), secrets[0], now)
  const open = (login: Login) => {
    if (login.refreshToken === undefined) deps.onUnrefreshable()
    return sessions.open(login)
  }
  const backchannel = createBackchannelPage({ verify: verifyLogoutToken, sessions, once: store.once, now })
  const isProxy = config.proxy.enabled
  const subRequestStatus = config.forward_auth.profile === 'nginx' ? 401 : 302

  function createFront(isTrusted: (request: IncomingMessage) => boolean): LoginFront {
    const originOf = createOriginOf(oidc.redirect_url ?? undefined, isTrusted)
    const askedOf = isProxy ? askedDirectly : createAskedOf(isTrusted)
    const beginLogin = createBeginLogin({ attempts, grants, originOf, subRequestStatus })
    const logout = createLogoutPage({
      sessions,
      configuration: issuer.configuration,
      originOf,
      postLogoutRedirectUrl: oidc.post_logout_redirect_url ?? undefined,
      pages: { confirm: confirmSignOutPage, signedOut: signedOutPage },
    })
    const forPeople = new Map<string, (asked: Asked) => Promise<Answer>>([
      ['/elastauth/login', createLoginPage(beginLogin)],
      ['/elastauth/callback', createCallbackPage({ attempts, grants, sessions: { ...sessions, open }, originOf })],
      ['/elastauth/logout', logout],
      ['/elastauth/signed-out', async () => signedOutPage()],
    ])
    const methods = (path: string) => (path === '/elastauth/logout' ? [...readMethods, 'POST'] : readMethods)
    const pages = [...forPeople].map(([path, answer]): [string, Page] => [
      path,
      { methods: methods(path), handle: (request) => answer(askedDirectly(request)) },
    ])

    /** In auth-only mode a sub-request about one of our pages is that page. */
    function ownPage(request: IncomingMessage): Promise<Answer> | undefined {
      const asked = askedOf(request)
      const path = ownPath(asked.target)
      const page = path === undefined ? undefined : forPeople.get(path)
      if (page === undefined || !methods(path!).includes(asked.method)) return undefined
      // To the proxy any 2xx would say that the request may pass.
      return page(asked).then((answer) => (answer.status === 200 ? { ...answer, status: 403 } : answer))
    }

    function loginFor(request: IncomingMessage, error: unknown): Promise<Answer> {
      const asked = askedOf(request)
      const isMissing = error instanceof GatewayError && error.code === 'identity_missing'
      if (!isMissing || !isNavigation(asked.method, request.headers)) throw error
      return beginLogin(asked, asked.target)
    }

    return Object.freeze({
      findSession: createSessionOf(sessions, originOf),
      pages: new Map([
        ...pages,
        ['/elastauth/backchannel-logout', { methods: ['POST'], handle: backchannel as Handler }],
      ]),
      withLogin: (mode: Mode): Mode =>
        function modeWithLogin(request) {
          const page = isProxy ? undefined : ownPage(request)
          if (page !== undefined) return page
          try {
            const answer = mode(request)
            return answer instanceof Promise ? answer.catch((error) => loginFor(request, error)) : answer
          } catch (error) {
            return loginFor(request, error)
          }
        },
      logout: {
        isNavigation: ({ method = '', headers }: IncomingMessage) => isNavigation(method, headers),
        signOut: (request: IncomingMessage) => logout(askedDirectly(request)),
      },
    })
  }

  return Object.freeze({ createFront, note: sessions.note, recheckAll: sessions.recheckAll })
}
