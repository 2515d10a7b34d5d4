import type { IncomingMessage } from 'node:http'
import { redactConfig } from '../../config/redact.ts'
import type { Config } from '../../config/schema.ts'
import type { Authentication } from '../auth/authenticate.ts'
import type { Peers } from '../auth/trust/peers.ts'
import { createIsTrusted } from '../auth/trust/trust.ts'
import { createConfigPage } from '../endpoints/config.ts'
import { createDocsPage, createOpenApiPage } from '../endpoints/docs.ts'
import { createHealthPage } from '../endpoints/health.ts'
import { createMetricsPage } from '../endpoints/metrics.ts'
import { describeApi } from '../endpoints/openapi.ts'
import { createReadyPage, type ReadinessChecks } from '../endpoints/ready.ts'
import { refuseQuestions } from '../endpoints/reject-sub-requests.ts'
import { createWhoamiPage } from '../endpoints/whoami.ts'
import { asGatewayError } from '../http/errors.ts'
import { type Handler, type Page, type Pages, readMethods } from '../http/handler.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { LoginFront } from './login-handlers.ts'
import { version } from './version.ts'

export type OwnPagesOptions = Readonly<{
  authentication: Authentication
  checks: ReadinessChecks
  login: LoginFront | undefined
  peerOf: Peers['peerOf']
  metrics: Metrics
  log: Logger
}>

const prefix = '/elastauth/'

/** All pages under `/elastauth/`. */
export function createOwnPages(config: Config, options: OwnPagesOptions): Pages {
  const { authentication, checks, login, peerOf, metrics, log } = options
  const isResponder = !config.proxy.enabled
  const health = createHealthPage(version)
  const isLoopback = createIsTrusted(['loopback'])
  const pages = new Map<string, Handler>([
    ['health', health],
    ['live', health],
    [
      'ready',
      createReadyPage(
        checks,
        () => performance.now(),
        (name, error) => log.warn(`${name} is down: ${asGatewayError(error).detail}`),
      ),
    ],
    ['whoami', createWhoamiPage(authentication)],
    [
      'config',
      createConfigPage({
        redacted: () => redactConfig(config),
        recognise: authentication.recognise,
        adminRoles: config.admin_roles,
        isLoopback: ({ socket }: IncomingMessage) => isLoopback(peerOf(socket)),
      }),
    ],
  ])
  if (metrics.registry) pages.set('metrics', createMetricsPage(metrics.registry))
  const loginPages = [...(login?.pages ?? [])]
  const names = [...pages.keys(), 'docs', 'openapi.yaml', ...loginPages.map(([path]) => path.slice(prefix.length))]
  pages.set('docs', createDocsPage(names))
  const { listen, path_prefix: pathPrefix } = config.forward_auth
  const subRequests = isResponder && listen === null ? { pathPrefix } : undefined
  pages.set('openapi.yaml', createOpenApiPage(describeApi(names, subRequests, version)))

  return new Map([
    ...[...pages].map(([name, page]): [string, Page] => {
      // Who asks a proxy asks for nobody else, whatever headers say.
      const handle = isResponder ? refuseQuestions(page) : page
      return [prefix + name, { methods: readMethods, handle }]
    }),
    ...loginPages,
  ])
}
