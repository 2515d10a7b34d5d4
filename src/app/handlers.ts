import type { Config } from '../../config/schema.ts'
import { type Authenticate, type AuthenticationOptions, createAuthentication } from '../auth/authenticate.ts'
import { createClientAddressOf } from '../auth/client-address.ts'
import type { Credentials } from '../auth/credentials/credentials.ts'
import { createIsCrossSiteWrite } from '../auth/csrf.ts'
import { rejectDnsRebinding } from '../auth/dns-rebinding.ts'
import { createAuthorizedResponse } from '../auth/forward-auth.ts'
import { createOriginalRequestOf, requestAsReceived } from '../auth/original-request.ts'
import { createOwnOriginOf } from '../auth/own-origin.ts'
import { createMapRoles } from '../auth/roles.ts'
import { createCheckSubRequestTarget, type SubRequestPaths } from '../auth/sub-request.ts'
import type { Peers } from '../auth/trust/peers.ts'
import { createIsTrustedPeer, type IsTrustedPeer } from '../auth/trust/trust.ts'
import { createExplainDistrust, createIsTrustedRequest } from '../auth/trust/trusted-request.ts'
import type { ReadinessChecks } from '../endpoints/ready.ts'
import type { Handler, ModeHandler } from '../http/handler.ts'
import type { Logger } from '../observability/log.ts'
import type { AuthenticationMetrics, Metrics } from '../observability/metrics/metrics.ts'
import type { RecentErrors } from '../observability/recent-errors.ts'
import { createProvider, type ProviderName } from '../providers/index.ts'
import { tokenCookies } from '../providers/oidc/index.ts'
import type { Provider } from '../providers/provider.ts'
import { createRenderError, type RenderError } from '../server/error-response.ts'
import type { RequestHandlers } from '../server/options.ts'
import { createEndpoints, createMetricsEndpoints } from './endpoints.ts'
import type { LoginServices } from './login.ts'
import type { Oidc } from './oidc.ts'
import { type HandlersOptions, handlersOptions } from './options/handlers.ts'
import type { ProxyServices } from './proxy.ts'
import type { PrepareReload } from './reload.ts'
import type { Tracing } from './tracing.ts'
import type { UsersService } from './users.ts'

/** The services that a reload of the configuration does not replace. */
export type Services = Readonly<{
  obtain: AuthenticationOptions['obtain']
  reissue: Credentials['reissue']
  reissueInBackground: Credentials['reissueInBackground']
  deny: AuthenticationOptions['deny']
  /** The service for tokens; undefined if OpenID Connect is not one of the providers. */
  oidc: Pick<Oidc, 'findToken' | 'findCookieToken'> | undefined
  /** The service for sign-in and sessions; undefined if users do not sign in through elastauth. */
  login: Pick<LoginServices, 'findSession' | 'createHandlers'> | undefined
  /** The provider `elasticsearch`; undefined if it is not configured. */
  elasticsearchProvider: Provider | undefined
  /** Users with a password in the configuration; undefined if they are not one of the providers. */
  users: Pick<UsersService, 'createProvider'> | undefined
  /** Routes and upstreams; undefined in auth-only mode. */
  proxy: Pick<ProxyServices, 'createMode'> | undefined
  /** Undefined if tracing is off. */
  tracing: Tracing | undefined
  /** Rejects requests while the audit log fails; undefined if that is not required. */
  requireAudit?: ((handlers: RequestHandlers) => RequestHandlers) | undefined
  peerOf: Peers['peerOf']
  /** Undefined if metrics are disabled. */
  metrics: Pick<Metrics, 'authentication' | 'registry'> | undefined
  recentErrors: RecentErrors
  log: Logger
  checks: ReadinessChecks
  /** Set by `elastauth explain` only. */
  observe?: DecisionObserver
}>

/** Wraps the functions that decide about a request. */
export type DecisionObserver = Readonly<{
  provider: (name: ProviderName, provider: Provider) => Provider
  authentication: (options: AuthenticationOptions) => AuthenticationOptions
}>

/** Holds the current request handlers, which a reload replaces as a whole. */
export type ReloadableHandlers = Readonly<{
  current: () => RequestHandlers
  /** Whether `trusted_proxies` lists an address. */
  isTrustedAddress: (address: string) => boolean
  prepareReload: PrepareReload
}>

export function createReloadableHandlers(initial: Config, services: Services): ReloadableHandlers {
  const create = (options: HandlersOptions) => {
    const isTrustedPeer = createIsTrustedPeer(options.trust.trustedProxies)
    const handlers = createRequestHandlers(options, services, isTrustedPeer)
    const audited = services.requireAudit?.(handlers) ?? handlers
    return { handlers: services.tracing?.handlers(audited) ?? audited, isTrustedPeer }
  }
  let current = create(handlersOptions(initial))
  return Object.freeze({
    current: () => current.handlers,
    isTrustedAddress: (address: string) => current.isTrustedPeer({ address }),
    prepareReload(next: Config) {
      const renewed = create(handlersOptions(next))
      return () => {
        current = renewed
      }
    },
  })
}

/** Creates everything that handles requests and depends on reloadable keys. */
export function createRequestHandlers(
  options: HandlersOptions,
  services: Services,
  isTrustedPeer: IsTrustedPeer,
): RequestHandlers {
  const {
    obtain,
    reissue,
    reissueInBackground,
    deny,
    oidc,
    proxy,
    tracing,
    metrics,
    recentErrors,
    log,
    checks,
    peerOf,
    observe,
  } = services
  const { profile, pathPrefix } = options
  // In proxy mode each request is itself the original request, so headers that describe another original request are
  // ignored.
  const source = proxy === undefined ? { profile, pathPrefix } : { profile: 'generic' as const }
  const reader = {
    isTrusted: createIsTrustedRequest(options.trust, { isTrustedPeer, peerOf }),
    explainDistrust: createExplainDistrust(options.trust, { isTrustedPeer, peerOf }),
    originalOf: proxy === undefined ? createOriginalRequestOf(source) : requestAsReceived,
    clientAddressOf: createClientAddressOf(options.trust.trustedProxies),
  }
  const ownOriginOf = createOwnOriginOf(options.redirectUrl, source)
  const mapRoles = createMapRoles(options.roles)
  const login = services.login?.createHandlers({
    ownOriginOf,
    subRequestStatus: profile === 'nginx' ? 401 : 302,
    mapRoles,
  })
  const oidcProvider = oidc && {
    findToken: oidc.findToken,
    findSession: services.login?.findSession ?? (() => undefined),
    findCookieToken: oidc.findCookieToken,
    // In auth-only mode the response contains a password, which only a trusted proxy may receive.
    requiresTrustedPeer: proxy === undefined,
  }
  const authenticationOptions: AuthenticationOptions = {
    identify: createProvider({
      ...options.provider,
      oidc: oidcProvider,
      elasticsearch: services.elasticsearchProvider,
      // In auth-only mode the response contains a password, which only a trusted proxy may receive.
      users: services.users?.createProvider({
        requiresTrustedPeer: proxy === undefined,
        // The provider oidc finds the sessions of the form too.
        findSession: oidc === undefined ? services.login?.findSession : undefined,
      }),
      checkAssertedIdentity: options.hasProxySecret ? undefined : rejectDnsRebinding,
      observe: observe?.provider,
    }),
    isCrossSiteWrite: createIsCrossSiteWrite(ownOriginOf),
    mapRoles,
    obtain,
    deny,
    serviceAccount: options.serviceAccount,
  }
  const authentication = createAuthentication(observe?.authentication(authenticationOptions) ?? authenticationOptions)

  const measured = <User>(authenticate: Authenticate<User>) => {
    const counted = countAuthentications(authenticate, metrics?.authentication)
    return tracing?.authenticate(counted) ?? counted
  }
  const authenticate = measured(authentication.authenticate)
  const mode =
    proxy === undefined
      ? { handle: createForwardAuth(authenticate) }
      : proxy.createMode({
          privateHeaders: options.privateHeaders,
          privateCookies: oidc === undefined ? [] : tokenCookies,
          authenticate,
          resolveSubject: measured(authentication.resolveSubject),
          canReset: (socket) => !('encrypted' in socket) && !peerOf(socket).isUnixSocket,
          reissue,
          reissueInBackground,
          logout: login?.logout,
        })

  const handle = login?.withLogin(mode.handle) ?? mode.handle
  return Object.freeze({
    ...mode,
    reader,
    handle:
      proxy === undefined ? rejectOtherTargets(handle, { pathPrefix, acceptsLegacyPath: login === undefined }) : handle,
    endpoints: createEndpoints(options.endpoints, {
      authentication,
      checks,
      login,
      peerOf,
      registry: metrics?.registry,
      listErrors: recentErrors.list,
      log,
    }),
    metricsEndpoints: metrics && createMetricsEndpoints(metrics.registry, proxy === undefined),
    renderError: noteErrors(
      recentErrors,
      createRenderError(profile, {
        acceptsBearerTokens: oidc !== undefined,
        acceptsPasswords: services.users !== undefined,
        hasLogin: login !== undefined,
        support: options.support,
      }),
    ),
  })
}

/** Remembers every error of a request or of a connection: a response is rendered for each. */
function noteErrors({ note }: RecentErrors, render: RenderError): RenderError {
  return function renderError(request, error, requestId) {
    note(error)
    return render(request, error, requestId)
  }
}

/** Creates the handler that responds to sub-requests in auth-only mode. */
function createForwardAuth(authenticate: Authenticate): Handler {
  const authorizedResponse = createAuthorizedResponse()
  return (context) => {
    const user = authenticate(context)
    return user instanceof Promise ? user.then(authorizedResponse) : authorizedResponse(user)
  }
}

/** Rejects requests that are not sub-requests before any other processing. */
function rejectOtherTargets(handle: ModeHandler, paths: SubRequestPaths): ModeHandler {
  const checkTarget = createCheckSubRequestTarget(paths)
  return function handleSubRequest(context) {
    checkTarget(context.request.url ?? '')
    return handle(context)
  }
}

function countAuthentications<User>(
  authenticate: Authenticate<User>,
  metrics: AuthenticationMetrics | undefined,
): Authenticate<User> {
  if (metrics === undefined) return authenticate
  const succeeded = (user: User) => {
    metrics.authenticated('success')
    return user
  }
  const failed = (error: unknown): never => {
    metrics.authenticated('failure')
    throw error
  }
  return function countedAuthenticate(context) {
    try {
      const user = authenticate(context)
      return user instanceof Promise ? user.then(succeeded, failed) : succeeded(user)
    } catch (error) {
      return failed(error)
    }
  }
}
