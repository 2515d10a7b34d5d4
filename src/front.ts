import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { headerNames } from '../config/header-presets.ts'
import { redactConfig } from '../config/redact.ts'
import type { Config } from '../config/schema.ts'
import { type Authentication, type AuthenticationOptions, createAuthentication } from './auth/authentication.ts'
import { createAnswerAuthorized } from './auth/forward-auth.ts'
import { createOriginalRequest } from './auth/original-request.ts'
import { createHasSecret } from './auth/proxy-secret.ts'
import { createMapRoles, type RoleRules } from './auth/roles.ts'
import { createIsTrusted } from './auth/trust.ts'
import { createConfigPage } from './endpoints/config.ts'
import { createHealthPage } from './endpoints/health.ts'
import { createMetricsPage } from './endpoints/metrics.ts'
import { createReadyPage, type ReadinessChecks } from './endpoints/ready.ts'
import { createWhoamiPage } from './endpoints/whoami.ts'
import { createAnswerError } from './error-answer.ts'
import { asGatewayError, GatewayError } from './errors.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import { createProvider, type ProviderOptions } from './providers/index.ts'
import type { Handler } from './route.ts'
import type { Front } from './server.ts'
import { version } from './version.ts'

/** What outlives a reload of the configuration. */
export type Core = Readonly<{
  obtain: AuthenticationOptions['obtain']
  metrics: Metrics
  log: Logger
  checks: ReadinessChecks
}>

type FrontWithOriginal = Front & Readonly<{ originalRequest: ReturnType<typeof createOriginalRequest> }>

/** All that stands between a request and its credential, and that a reload of the configuration replaces as one. */
export function createFront(config: Config, { obtain, metrics, log, checks }: Core): FrontWithOriginal {
  const isTrusted = createIsTrustedRequest(config)
  const authentication = createAuthentication({
    isTrusted,
    identify: createProvider(providerOptions(config)),
    mapRoles: createMapRoles(roleRules(config)),
    obtain,
    serviceAccount: config.elasticsearch.username ?? undefined,
  })

  const isLoopback = createIsTrusted(['loopback'])
  const health = createHealthPage(version)
  const pages: [string, Handler][] = [
    ['health', health],
    ['live', health],
    [
      'ready',
      createReadyPage(checks, Date.now, (name, error) => log.warn(`${name} is down: ${asGatewayError(error).detail}`)),
    ],
    ['whoami', createWhoamiPage(authentication)],
    [
      'config',
      createConfigPage({
        redacted: () => redactConfig(config),
        recognise: authentication.recognise,
        adminRoles: config.admin_roles,
        isLoopback: ({ socket }) => isLoopback({ address: socket.remoteAddress }),
      }),
    ],
  ]
  if (metrics.registry) pages.push(['metrics', createMetricsPage(metrics.registry)])

  return Object.freeze({
    handle: createForwardAuth(authentication.authenticate, metrics),
    pages: new Map(pages.map(([name, page]) => [`/elastauth/${name}`, page])),
    answerError: createAnswerError(config.forward_auth.profile),
    originalRequest: createOriginalRequest(isTrusted),
  })
}

/** Auth-only mode: every request outside `/elastauth/` is a question, and this is the answer. */
function createForwardAuth(authenticate: Authentication['authenticate'], metrics: Metrics): Handler {
  const answerAuthorized = createAnswerAuthorized()

  return async function forwardAuth(request) {
    try {
      const answer = answerAuthorized(await authenticate(request))
      metrics.authenticated('success')
      return answer
    } catch (error) {
      metrics.authenticated('failure')
      throw error
    }
  }
}

export function roleRules(config: Config): RoleRules {
  return {
    mappings: config.group_mappings,
    defaultRoles: config.default_roles,
    ...(config.enable_group_whitelist && { whitelist: config.group_whitelist }),
  }
}

function createIsTrustedRequest({ trusted_proxies, proxy_secret, proxy_secret_header }: Config) {
  const isTrusted = createIsTrusted(trusted_proxies)
  const hasSecret = proxy_secret === null ? () => true : createHasSecret(proxy_secret_header, proxy_secret)
  // A connection keeps its other end, and brings many requests.
  const verdicts = new WeakMap<Socket, boolean>()

  return function isTrustedRequest(request: IncomingMessage): boolean {
    const { socket } = request
    let isTrustedPeer = verdicts.get(socket)
    if (isTrustedPeer === undefined) {
      isTrustedPeer = isTrusted({ address: socket.remoteAddress })
      verdicts.set(socket, isTrustedPeer)
    }
    return isTrustedPeer && hasSecret(request)
  }
}

function providerOptions(config: Config): ProviderOptions {
  const { auth_provider, static: fixed } = config
  // Until they are built, config/rules.ts refuses them.
  if (auth_provider === 'oidc') throw new GatewayError('internal', 'auth_provider oidc is not part of this release')
  return {
    name: auth_provider,
    headers: headerNames(config),
    static: { ...fixed, username: fixed.username ?? '' },
  }
}
