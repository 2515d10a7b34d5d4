import type { IncomingMessage } from 'node:http'
import { redactConfig } from '../../config/redact.ts'
import type { Config } from '../../config/schema.ts'
import type { Authentication } from '../auth/authenticate.ts'
import type { Peers } from '../auth/trust/peers.ts'
import { createIsTrustedPeer } from '../auth/trust/trust.ts'
import { createConfigEndpoint } from '../endpoints/config.ts'
import { createDocsEndpoint, createOpenApiEndpoint } from '../endpoints/docs.ts'
import { createHealthEndpoint } from '../endpoints/health.ts'
import { createMetricsEndpoint } from '../endpoints/metrics.ts'
import { describeApi } from '../endpoints/openapi.ts'
import { createReadyEndpoint, type ReadinessChecks } from '../endpoints/ready.ts'
import { rejectSubRequests } from '../endpoints/reject-sub-requests.ts'
import { createWhoamiEndpoint } from '../endpoints/whoami.ts'
import { asGatewayError } from '../http/errors.ts'
import { type Endpoint, type Endpoints, type Handler, readMethods } from '../http/handler.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { LoginHandlers } from './login-handlers.ts'
import { version } from './version.ts'

export type EndpointsOptions = Readonly<{
  authentication: Authentication
  checks: ReadinessChecks
  login: LoginHandlers | undefined
  peerOf: Peers['peerOf']
  metrics: Metrics
  log: Logger
}>

const prefix = '/elastauth/'

/** All pages under `/elastauth/`. */
export function createEndpoints(config: Config, options: EndpointsOptions): Endpoints {
  const { authentication, checks, login, peerOf, metrics, log } = options
  const isResponder = !config.proxy.enabled
  const health = createHealthEndpoint(version)
  const isLoopback = createIsTrustedPeer(['loopback'])
  const pages = new Map<string, Handler>([
    ['health', health],
    ['live', health],
    [
      'ready',
      createReadyEndpoint(
        checks,
        () => performance.now(),
        (name, error) => log.warn(`${name} is down: ${asGatewayError(error).detail}`),
      ),
    ],
    ['whoami', createWhoamiEndpoint(authentication)],
    [
      'config',
      createConfigEndpoint({
        redacted: () => redactConfig(config),
        recognize: authentication.resolveSubject,
        adminRoles: config.admin_roles,
        isLoopback: ({ socket }: IncomingMessage) => isLoopback(peerOf(socket)),
      }),
    ],
  ])
  if (metrics.registry) pages.set('metrics', createMetricsEndpoint(metrics.registry))
  const loginPages = [...(login?.pages ?? [])]
  const names = [...pages.keys(), 'docs', 'openapi.yaml', ...loginPages.map(([path]) => path.slice(prefix.length))]
  pages.set('docs', createDocsEndpoint(names))
  const { listen, path_prefix: pathPrefix } = config.forward_auth
  const subRequests = isResponder && listen === null ? { pathPrefix } : undefined
  pages.set('openapi.yaml', createOpenApiEndpoint(describeApi(names, subRequests, version)))

  return new Map([
    ...[...pages].map(([name, page]): [string, Endpoint] => {
      // Who asks a proxy asks for nobody else, whatever headers say.
      const handle = isResponder ? rejectSubRequests(page) : page
      return [prefix + name, { methods: readMethods, handle }]
    }),
    ...loginPages,
  ])
}
