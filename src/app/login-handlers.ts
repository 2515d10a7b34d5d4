import type { IncomingMessage } from 'node:http'
import { requestAsReceived } from '../auth/original-request.ts'
import { signedOutPage } from '../endpoints/html/sign-out.ts'
import { isSubRequest, rejectSubRequests } from '../endpoints/reject-sub-requests.ts'
import { GatewayError } from '../http/errors.ts'
import { type Endpoint, type Handler, type ModeHandler, readMethods } from '../http/handler.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { BeginLogin } from '../login/begin.ts'
import type { LoginRequest } from '../login/login-request.ts'
import { isNavigation } from '../login/navigation.ts'
import { sessionIdsOf } from '../login/session-cookie.ts'
import { endpointPath } from '../server/router.ts'
import type { SessionEndpointsDeps } from './session-endpoints.ts'

/** The part of the login that a reload of the configuration replaces. */
export type LoginHandlers = Readonly<{
  /** The endpoints of the login, by path. */
  endpoints: ReadonlyMap<string, Endpoint>
  /** The endpoints at which users and administrators see and end sessions. */
  sessionEndpoints: (deps: Omit<SessionEndpointsDeps, 'originOf'>) => ReadonlyMap<string, Endpoint>
  /** Wraps a mode's handler to redirect browser navigations without an identity to the sign-in. */
  withLogin: (mode: ModeHandler) => ModeHandler
  /** Serves elastauth's sign-out in place of an upstream's logout page. */
  logout: Readonly<{
    isNavigation: (request: IncomingMessage) => boolean
    signOut: (context: RequestContext) => Promise<GatewayResponse>
  }>
}>

type LoginHandlersOptions = Readonly<{
  beginLogin: BeginLogin
  login: LoginEndpoint
  /** Undefined if users do not sign in at a provider, as `backchannel`. */
  callback: LoginEndpoint['handle'] | undefined
  logout: LoginEndpoint['handle']
  backchannel: Handler | undefined
  /** Ends a session whose user was revoked, so that its cookie does not lead to the same error again. Never rejects. */
  revokeSession: (id: string) => Promise<void>
  sessionEndpoints: LoginHandlers['sessionEndpoints']
  isProxy: boolean
}>

export type LoginEndpoint = Readonly<{
  methods: readonly string[]
  handle: (login: LoginRequest) => Promise<GatewayResponse>
}>

/** Routes requests to the login endpoints, and navigations without an identity to the sign-in. */
export function createLoginHandlers(options: LoginHandlersOptions): LoginHandlers {
  const { beginLogin, login, callback, logout, backchannel, revokeSession, sessionEndpoints, isProxy } = options
  const endpoints = new Map<string, LoginEndpoint>([
    ['/elastauth/login', login],
    ['/elastauth/logout', { methods: [...readMethods, 'POST'], handle: logout }],
    ['/elastauth/signed-out', { methods: readMethods, handle: async () => signedOutPage() }],
  ])
  // HEAD is not allowed: it is a safe method (RFC 9110, section 9.2.1), but a callback redeems the code.
  if (callback) endpoints.set('/elastauth/callback', { methods: ['GET'], handle: callback })

  function originalLoginRequest(context: RequestContext): LoginRequest {
    return { ...context.original, context, isSubRequest: !isProxy }
  }

  /**
   * In auth-only mode, handles a sub-request whose original request is for a login endpoint as a request to that
   * endpoint.
   */
  function handleSubRequest(context: RequestContext): Promise<GatewayResponse> | undefined {
    const login = originalLoginRequest(context)
    const endpoint = endpoints.get(endpointPath(login.target) ?? '')
    if (endpoint === undefined || !endpoint.methods.includes(login.method)) return undefined
    return respond(endpoint, login)
  }

  /**
   * Handles requests that arrive at a login endpoint's own path. These include Envoy's sub-requests, which have the
   * path of the original request.
   */
  function handleDirectly(endpoint: LoginEndpoint): Handler {
    return (context) => respond(endpoint, directLoginRequest(context, !isProxy && isSubRequest(context.request)))
  }

  async function redirectToLogin(context: RequestContext, error: unknown): Promise<GatewayResponse> {
    const { code, retryAfterSeconds } = error instanceof GatewayError ? error : {}
    if (code === 'revoked') await Promise.all(sessionIdsOf(context.request).map(revokeSession))
    const login = originalLoginRequest(context)
    const helps = code === 'identity_missing' || (code === 'revoked' && retryAfterSeconds === undefined)
    if (!helps || !isNavigation(login.method, context.request.headers)) throw error
    return beginLogin(login, login.target)
  }

  return Object.freeze({
    endpoints: new Map([
      ...[...endpoints].map(([path, endpoint]): [string, Endpoint] => [
        path,
        { methods: endpoint.methods, handle: handleDirectly(endpoint) },
      ]),
      ...(backchannel ? [['/elastauth/backchannel-logout', backchannelEndpoint(backchannel, isProxy)] as const] : []),
    ]),
    sessionEndpoints,
    withLogin: (mode: ModeHandler): ModeHandler =>
      async function modeWithLogin(context) {
        const response = isProxy ? undefined : handleSubRequest(context)
        if (response !== undefined) return response
        try {
          return await mode(context)
        } catch (error) {
          return redirectToLogin(context, error)
        }
      },
    logout: {
      isNavigation: ({ method = '', headers }: IncomingMessage) => isNavigation(method, headers),
      signOut: (context: RequestContext) => logout(directLoginRequest(context, false)),
    },
  })
}

function backchannelEndpoint(handle: Handler, isProxy: boolean): Endpoint {
  return { methods: ['POST'], handle: isProxy ? handle : rejectSubRequests(handle) }
}

async function respond(endpoint: LoginEndpoint, login: LoginRequest): Promise<GatewayResponse> {
  const response = await endpoint.handle(login)
  // A 200 is replaced, because a 2xx response to a sub-request tells the proxy to forward the original request.
  return login.isSubRequest && response.status === 200 ? { ...response, status: 403 } : response
}

/** Describes a request that is itself the original request. */
function directLoginRequest(context: RequestContext, isSubRequest: boolean): LoginRequest {
  return { ...requestAsReceived(context.request), context, isSubRequest }
}
