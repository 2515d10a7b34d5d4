import { isLoopbackAddress } from '../../config/hosts.ts'
import type { Authentication } from '../auth/authenticate.ts'
import type { Peers } from '../auth/trust/peers.ts'
import { createIsTrustedPeer } from '../auth/trust/trust.ts'
import { createConfigEndpoint } from '../endpoints/config.ts'
import { createIsDirectRequest, createIsFromThisMachine } from '../endpoints/direct-request.ts'
import { createDocsEndpoint, createOpenApiEndpoint } from '../endpoints/docs.ts'
import { createHealthEndpoint } from '../endpoints/health.ts'
import { createDirectMetricsEndpoint, createMetricsEndpoint, rejectMetrics } from '../endpoints/metrics.ts'
import { adminNames, adminPath, describeApi } from '../endpoints/openapi.ts'
import { createReadyEndpoint, type ReadinessChecks } from '../endpoints/ready.ts'
import { createErrorsEndpoint } from '../endpoints/recent-errors.ts'
import { rejectSubRequests } from '../endpoints/reject-sub-requests.ts'
import { createStartPage, redirectToStart } from '../endpoints/start-page.ts'
import { createWhoamiEndpoint } from '../endpoints/whoami.ts'
import { asGatewayError } from '../http/errors.ts'
import { type Endpoint, type Endpoints, type Handler, readMethods } from '../http/handler.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import type { RecentErrors } from '../observability/recent-errors.ts'
import type { LoginHandlers } from './login-handlers.ts'
import { version } from './version.ts'

export type EndpointsOptions = Readonly<{
  isAuthOnly: boolean
  adminRoles: readonly string[]
  /** Whether a listener serves only the metrics. */
  hasMetricsListener: boolean
  proxySecretHeader: string
  /** The configuration with every secret masked. */
  redactedConfig: () => unknown
  /** The sub-requests that the endpoints' listener serves, for the API description; undefined if it serves none. */
  subRequests: Readonly<{ pathPrefix: string | null }> | undefined
}>

type EndpointsDeps = Readonly<{
  authentication: Authentication
  checks: ReadinessChecks
  login: LoginHandlers | undefined
  peerOf: Peers['peerOf']
  /** Undefined if metrics are disabled. */
  registry: Metrics['registry'] | undefined
  listErrors: RecentErrors['list']
  log: Logger
}>

const prefix = '/elastauth/'

const isLocal = createIsTrustedPeer(['loopback', 'private', 'unix'])

/** Creates all endpoints below `/elastauth/`. */
export function createEndpoints(options: EndpointsOptions, deps: EndpointsDeps): Endpoints {
  const { isAuthOnly, adminRoles, hasMetricsListener, proxySecretHeader, redactedConfig, subRequests } = options
  const { authentication, checks, login, peerOf, registry, listErrors, log } = deps
  const health = createHealthEndpoint(version)
  const isDirectRequest = createIsDirectRequest({
    isLocalPeer: (socket) => isLocal(peerOf(socket)),
    isLocalAddress: (address) => isLocal({ address }),
    proxySecretHeader,
  })
  const isFromThisMachine = createIsFromThisMachine(
    (socket) => isLoopbackAddress(peerOf(socket).address),
    proxySecretHeader,
  )
  const handlers = new Map<string, Handler>([
    ['health', health],
    ['live', health],
    [
      'ready',
      createReadyEndpoint(checks, {
        monotonicNow: () => performance.now(),
        isDirectRequest,
        onFailure: (name, error) => log.warn(`${name} is down: ${asGatewayError(error).detail}`),
      }),
    ],
    ['start', createStartPage(login !== undefined)],
    ['whoami', createWhoamiEndpoint(authentication)],
    [
      'config',
      createConfigEndpoint({
        redacted: redactedConfig,
        authenticate: authentication.authenticate,
        adminRoles,
        isFromThisMachine,
      }),
    ],
    ['errors', createErrorsEndpoint(listErrors, isFromThisMachine)],
  ])
  if (registry && !hasMetricsListener) handlers.set('metrics', createDirectMetricsEndpoint(registry, isDirectRequest))
  const loginEndpoints = [...(login?.endpoints ?? [])]
  const sessionEndpoints = [...(login?.sessionEndpoints({ authentication, adminRoles }) ?? [])]
  const names = [
    ...handlers.keys(),
    'docs',
    'openapi.yaml',
    ...[...loginEndpoints, ...sessionEndpoints].flatMap(([path]) => namesOf(path)),
  ]
  const hasSignInForm = loginEndpoints.some(
    ([path, { methods }]) => path === `${prefix}login` && methods.includes('POST'),
  )
  if (hasMetricsListener) handlers.set('metrics', rejectMetrics) // not one of the names that are shown
  handlers.set('', redirectToStart)
  handlers.set('docs', createDocsEndpoint(names))
  handlers.set('openapi.yaml', createOpenApiEndpoint(describeApi(names, subRequests, hasSignInForm, version)))

  const direct = [
    ...[...handlers].map(([name, handle]): [string, Endpoint] => [prefix + name, { methods: readMethods, handle }]),
    ...sessionEndpoints,
  ]
  // In proxy mode requests are never sub-requests, even with headers that look like one.
  const protect = isAuthOnly ? rejectSubRequests : (handle: Handler) => handle
  return new Map([
    ...direct.map(([path, { methods, handle }]): [string, Endpoint] => [path, { methods, handle: protect(handle) }]),
    ...loginEndpoints,
  ])
}

/** The names that the documentation shows: one endpoint serves all paths of the API for administrators. */
function namesOf(path: string): readonly string[] {
  return path === adminPath ? adminNames : [path.slice(prefix.length)]
}

/** Creates the endpoints of a listener for metrics. */
export function createMetricsEndpoints(registry: Metrics['registry'], isAuthOnly: boolean): Endpoints {
  const metrics = createMetricsEndpoint(registry)
  const endpoint = { methods: readMethods, handle: isAuthOnly ? rejectSubRequests(metrics) : metrics }
  return new Map(['/metrics', '/elastauth/metrics'].map((path) => [path, endpoint]))
}
