import type { IncomingMessage } from 'node:http'
import { orElse } from '../async/maybe-promise.ts'
import { itself, type OriginalRequestOf } from '../auth/original-request.ts'
import type { OwnOriginOf } from '../auth/own-origin.ts'
import { confirmSignOutPage, signedOutPage } from '../endpoints/html/sign-out.ts'
import { isQuestion, refuseQuestions } from '../endpoints/reject-sub-requests.ts'
import { GatewayError } from '../http/errors.ts'
import { type Handler, type Mode, type Page, readMethods } from '../http/handler.ts'
import type { Answer, StreamedAnswer } from '../http/response.ts'
import { createBeginLogin, createLoginPage } from '../login/begin.ts'
import { type CallbackOptions, createCallbackPage } from '../login/callback.ts'
import type { Asked } from '../login/login-request.ts'
import type { Attempts } from '../login/login-state.ts'
import { createLogoutPage, type LogoutOptions } from '../login/logout.ts'
import { isNavigation } from '../login/navigation.ts'
import { createOriginOf } from '../login/origin.ts'
import { createSessionOf } from '../login/session-of.ts'
import type { OidcProviderOptions } from '../providers/oidc/index.ts'
import { ownPath } from '../server/router.ts'
import type { Sessions } from '../sessions/sessions.ts'

/** What a reload of the configuration makes anew. */
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

export type LoginFrontOptions = Pick<CallbackOptions, 'grants'> &
  Pick<LogoutOptions, 'configuration' | 'postLogoutRedirectUrl'> &
  Readonly<{
    attempts: Attempts
    sessions: Sessions
    backchannel: Handler
    isProxy: boolean
    subRequestStatus: 302 | 401
    ownOriginOf: OwnOriginOf
    originalOf: OriginalRequestOf
  }>

/** The pages of a login, and the way to them. */
export function createLoginFront(options: LoginFrontOptions): LoginFront {
  const { sessions, isProxy, originalOf } = options
  const originOf = createOriginOf(options.ownOriginOf)
  const beginLogin = createBeginLogin({ ...options, originOf })
  const pages = { confirm: confirmSignOutPage, signedOut: signedOutPage }
  const logout = createLogoutPage({ ...options, originOf, pages })
  const forPeople = new Map<string, AskedPage>([
    ['/elastauth/login', { methods: readMethods, answer: createLoginPage(beginLogin) }],
    // Not HEAD, which is safe (RFC 9110, 9.2.1): this redeems the code.
    ['/elastauth/callback', { methods: ['GET'], answer: createCallbackPage({ ...options, originOf, beginLogin }) }],
    ['/elastauth/logout', { methods: [...readMethods, 'POST'], answer: logout }],
    ['/elastauth/signed-out', { methods: readMethods, answer: async () => signedOutPage() }],
  ])

  function askedOf(request: IncomingMessage): Asked {
    return { ...originalOf(request), request, isSubRequest: !isProxy }
  }

  /** In auth-only mode a sub-request about one of our pages is that page. */
  function askedPage(request: IncomingMessage): Promise<Answer> | undefined {
    const asked = askedOf(request)
    const page = forPeople.get(ownPath(asked.target) ?? '')
    if (page === undefined || !page.methods.includes(asked.method)) return undefined
    return answerAsked(page, asked)
  }

  /** A page by its own address; Envoy's sub-requests come by that, too. */
  function ownPage(page: AskedPage): Handler {
    return (request) => answerAsked(page, directly(request, !isProxy && isQuestion(request)))
  }

  async function answerAsked({ answer }: AskedPage, asked: Asked): Promise<Answer> {
    const given = await answer(asked)
    // To the proxy any 2xx would say that the request may pass.
    return asked.isSubRequest && given.status === 200 ? { ...given, status: 403 } : given
  }

  function loginFor(request: IncomingMessage, error: unknown): Promise<Answer> {
    const asked = askedOf(request)
    const isMissing = error instanceof GatewayError && error.code === 'identity_missing'
    if (!isMissing || !isNavigation(asked.method, request.headers)) throw error
    return beginLogin(asked, asked.target)
  }

  return Object.freeze({
    findSession: createSessionOf(sessions),
    pages: new Map([
      ...[...forPeople].map(([path, page]): [string, Page] => [path, { methods: page.methods, handle: ownPage(page) }]),
      [
        '/elastauth/backchannel-logout',
        { methods: ['POST'], handle: isProxy ? options.backchannel : refuseQuestions(options.backchannel) },
      ],
    ]),
    withLogin: (mode: Mode): Mode =>
      function modeWithLogin(request) {
        const page = isProxy ? undefined : askedPage(request)
        if (page !== undefined) return page
        return orElse<Answer | StreamedAnswer>(
          () => mode(request),
          (error) => loginFor(request, error),
        )
      },
    logout: {
      isNavigation: ({ method = '', headers }: IncomingMessage) => isNavigation(method, headers),
      signOut: (request: IncomingMessage) => logout(directly(request, false)),
    },
  })
}

type AskedPage = Readonly<{ methods: readonly string[]; answer: (asked: Asked) => Promise<Answer> }>

/** A request that is itself what is asked for. */
function directly(request: IncomingMessage, isSubRequest: boolean): Asked {
  return { ...itself(request), request, isSubRequest }
}
