import type { IncomingMessage } from 'node:http'
import { recover } from '../async/maybe-promise.ts'
import { type OriginalRequestOf, requestAsReceived } from '../auth/original-request.ts'
import type { OwnOriginOf } from '../auth/own-origin.ts'
import { confirmSignOutPage, signedOutPage } from '../endpoints/html/sign-out.ts'
import { isSubRequest, rejectSubRequests } from '../endpoints/reject-sub-requests.ts'
import { GatewayError } from '../http/errors.ts'
import { type Endpoint, type Handler, type ModeHandler, readMethods } from '../http/handler.ts'
import type { GatewayResponse, StreamedResponse } from '../http/response.ts'
import { createBeginLogin, createLoginEndpoint } from '../login/begin.ts'
import { type CallbackOptions, createCallbackEndpoint } from '../login/callback.ts'
import type { LoginRequest } from '../login/login-request.ts'
import type { LoginStates } from '../login/login-state.ts'
import { createLogoutEndpoint, type LogoutOptions } from '../login/logout.ts'
import { isNavigation } from '../login/navigation.ts'
import { createOriginOf } from '../login/origin.ts'
import { createSessionOf } from '../login/session-of.ts'
import type { OidcProviderOptions } from '../providers/oidc/index.ts'
import { endpointPath } from '../server/router.ts'
import type { Sessions } from '../sessions/sessions.ts'

/** What a reload of the configuration makes anew. */
export type LoginHandlers = Readonly<{
  findSession: OidcProviderOptions['findSession']
  /** By their paths. */
  pages: ReadonlyMap<string, Endpoint>
  /** The same mode, which sends people who are not known yet to the provider. */
  withLogin: (mode: ModeHandler) => ModeHandler
  /** For pages of others whose logout is ours. */
  logout: Readonly<{
    isNavigation: (request: IncomingMessage) => boolean
    signOut: (request: IncomingMessage) => Promise<GatewayResponse>
  }>
}>

export type LoginHandlersOptions = Pick<CallbackOptions, 'grants'> &
  Pick<LogoutOptions, 'configuration' | 'postLogoutRedirectUrl'> &
  Readonly<{
    attempts: LoginStates
    sessions: Sessions
    backchannel: Handler
    isProxy: boolean
    subRequestStatus: 302 | 401
    ownOriginOf: OwnOriginOf
    originalOf: OriginalRequestOf
  }>

/** The pages of a login, and the way to them. */
export function createLoginHandlers(options: LoginHandlersOptions): LoginHandlers {
  const { sessions, isProxy, originalOf } = options
  const originOf = createOriginOf(options.ownOriginOf)
  const beginLogin = createBeginLogin({ ...options, originOf })
  const pages = { confirm: confirmSignOutPage, signedOut: signedOutPage }
  const logout = createLogoutEndpoint({ ...options, originOf, pages })
  const forPeople = new Map<string, AskedPage>([
    ['/elastauth/login', { methods: readMethods, answer: createLoginEndpoint(beginLogin) }],
    // Not HEAD, which is safe (RFC 9110, 9.2.1): this redeems the code.
    ['/elastauth/callback', { methods: ['GET'], answer: createCallbackEndpoint({ ...options, originOf, beginLogin }) }],
    ['/elastauth/logout', { methods: [...readMethods, 'POST'], answer: logout }],
    ['/elastauth/signed-out', { methods: readMethods, answer: async () => signedOutPage() }],
  ])

  function askedOf(request: IncomingMessage): LoginRequest {
    return { ...originalOf(request), request, isSubRequest: !isProxy }
  }

  /** In auth-only mode a sub-request about one of our pages is that page. */
  function askedPage(request: IncomingMessage): Promise<GatewayResponse> | undefined {
    const asked = askedOf(request)
    const page = forPeople.get(endpointPath(asked.target) ?? '')
    if (page === undefined || !page.methods.includes(asked.method)) return undefined
    return answerAsked(page, asked)
  }

  /** A page by its own address; Envoy's sub-requests come by that, too. */
  function ownPage(page: AskedPage): Handler {
    return (request) => answerAsked(page, directly(request, !isProxy && isSubRequest(request)))
  }

  async function answerAsked({ answer }: AskedPage, asked: LoginRequest): Promise<GatewayResponse> {
    const given = await answer(asked)
    // To the proxy any 2xx would say that the request may pass.
    return asked.isSubRequest && given.status === 200 ? { ...given, status: 403 } : given
  }

  function loginFor(request: IncomingMessage, error: unknown): Promise<GatewayResponse> {
    const asked = askedOf(request)
    const isMissing = error instanceof GatewayError && error.code === 'identity_missing'
    if (!isMissing || !isNavigation(asked.method, request.headers)) throw error
    return beginLogin(asked, asked.target)
  }

  return Object.freeze({
    findSession: createSessionOf(sessions),
    pages: new Map([
      ...[...forPeople].map(([path, page]): [string, Endpoint] => [
        path,
        { methods: page.methods, handle: ownPage(page) },
      ]),
      [
        '/elastauth/backchannel-logout',
        { methods: ['POST'], handle: isProxy ? options.backchannel : rejectSubRequests(options.backchannel) },
      ],
    ]),
    withLogin: (mode: ModeHandler): ModeHandler =>
      function modeWithLogin(request) {
        const page = isProxy ? undefined : askedPage(request)
        if (page !== undefined) return page
        return recover<GatewayResponse | StreamedResponse>(
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

type AskedPage = Readonly<{ methods: readonly string[]; answer: (asked: LoginRequest) => Promise<GatewayResponse> }>

/** A request that is itself what is asked for. */
function directly(request: IncomingMessage, isSubRequest: boolean): LoginRequest {
  return { ...requestAsReceived(request), request, isSubRequest }
}
