import { providersOf } from '../../config/header-presets.ts'
import type { Config } from '../../config/schema.ts'
import { elasticsearchOptions } from '../app/options/elasticsearch.ts'
import { configuredRoles } from '../app/options/handlers.ts'
import { oidcTokensOptions, requestedScopes, scopesOptions } from '../app/options/oidc.ts'
import { routingOptions } from '../app/options/proxy.ts'
import { redisConnection } from '../app/options/redis.ts'
import { createCall } from '../es/call.ts'
import { createElasticsearchClient } from '../es/client.ts'
import { createFindMissingRoles, createPrivilegeCheck } from '../es/service-account.ts'
import { asGatewayError, GatewayError } from '../http/errors.ts'
import { createRedis } from '../redis/redis.ts'

/** The command `elastauth config check --connect`: connects to every configured server. @returns the exit code */
export async function checkConnections(config: Config): Promise<0 | 1> {
  const { elasticsearch, cache, oidc, users } = config
  const hasOidc = providersOf(config).includes('oidc')
  const hasForm = providersOf(config).includes('users') && users.login
  const results = [
    elasticsearch.dry_run ||
      (await report('Elasticsearch', elasticsearch.hosts.join(', '), () => checkElasticsearch(config))),
    cache.type !== 'redis' ||
      (await report('Redis', describeRedis(config), () => checkRedis(config, hasForm || (hasOidc && oidc.login)))),
    !hasOidc || (await report('OpenID provider', oidc.issuer!, () => checkProvider(config))),
    !config.proxy.enabled || (await report('Upstreams', describeUpstreams(config), () => checkUpstreams(config))),
  ]
  return results.every(Boolean) ? 0 : 1
}

async function report(name: string, address: string, check: () => Promise<void>): Promise<boolean> {
  try {
    await check()
    console.log(`${name} (${address}): OK`)
    return true
  } catch (error) {
    console.error(`${name} (${address}): ${asGatewayError(error).detail}`)
    return false
  }
}

async function checkElasticsearch(config: Config): Promise<void> {
  const client = createElasticsearchClient(elasticsearchOptions(config))
  try {
    const call = createCall({ monotonicNow })
    await createPrivilegeCheck(() => client, call)()
    const missing = await createFindMissingRoles(() => client, call)(configuredRoles(config))
    if (missing.length > 0)
      throw new GatewayError(
        'elasticsearch_rejected',
        `there is no role ${missing.join(', ')}: create it, or correct group_mappings and default_roles`,
      )
  } finally {
    void client.close()
  }
}

/** Whether failed attempts are counted. */
function hasPasswords(config: Config): boolean {
  const providers = providersOf(config)
  return providers.includes('users') || (providers.includes('elasticsearch') && config.elasticsearch_auth.basic)
}

async function checkRedis(config: Config, hasSessions: boolean): Promise<void> {
  const redis = createRedis({ connection: redisConnection(config), onStateChange: () => {} })
  try {
    await redis.start()
    await redis.probe(hasSessions, hasPasswords(config))
  } finally {
    redis.close()
  }
}

async function checkProvider(config: Config): Promise<void> {
  const { createOidcTokens } = await import('../providers/oidc/tokens.ts') // loaded only if configured
  const { issuer, preload, checkClient, close } = createOidcTokens({
    ...oidcTokensOptions(config),
    now: Date.now,
    monotonicNow,
    reportProblem: () => {},
  })
  try {
    await preload()
    if (!config.oidc.login) return
    const { scopes_supported: supported } = await issuer.metadata()
    const scopes = requestedScopes(scopesOptions(config), supported)
    const { authorization_parameters: extraParameters, redirect_url } = config.oidc
    await checkClient({ scopes, extraParameters, redirectUri: redirect_url ?? undefined })
    warnAboutScopes(scopes, supported)
  } finally {
    await close()
  }
}

/** Not a fault: a provider need not list all scopes (OpenID Connect Discovery 1.0, section 3). */
function warnAboutScopes(scopes: readonly string[], supported: readonly string[] | undefined): void {
  const unlisted = supported === undefined ? [] : scopes.filter((scope) => !supported.includes(scope))
  if (unlisted.length > 0)
    console.error(
      `warning: the OpenID provider does not list the scope ${unlisted.join(', ')}: if it rejects sign-ins, correct oidc.scopes`,
    )
}

async function checkUpstreams(config: Config): Promise<void> {
  const { findDeadUpstreams } = await import('../app/proxy.ts') // loaded only if configured
  const dead = await findDeadUpstreams(routingOptions(config)!)
  if (dead.length > 0)
    throw new GatewayError(
      'upstream_unavailable',
      `${dead.join(', ')} does not respond: start it, or correct ${keysOf(config, dead)}`,
    )
}

/** The keys that name these upstreams. */
function keysOf({ proxy }: Config, origins: readonly string[]): string {
  const isNamed = (url: string) => origins.includes(new URL(url).origin)
  const isInRoutes = proxy.routes.some((route) => route.upstreams.some(isNamed))
  const isElasticsearch = proxy.elasticsearch_url !== null && isNamed(proxy.elasticsearch_url)
  return [isElasticsearch && 'proxy.elasticsearch_url', isInRoutes && 'proxy.routes'].filter(Boolean).join(' and ')
}

function describeUpstreams({ proxy }: Config): string {
  const urls = [...proxy.routes.flatMap((route) => route.upstreams), proxy.elasticsearch_url]
  return [...new Set(urls.filter((url) => url !== null))].join(', ')
}

function monotonicNow(): number {
  return performance.now()
}

/** The addresses of the Redis servers. The configured URL is not shown, because it may contain a password. */
function describeRedis(config: Config): string {
  const { servers, tls } = redisConnection(config)
  const addresses = servers.kind === 'standalone' ? [servers.address] : servers.addresses
  const kind = { standalone: '', sentinels: 'Sentinels ', cluster: 'Cluster ' }[servers.kind]
  return `${kind}${addresses.map(({ host, port }) => `${host}:${port}`).join(', ')}${tls ? ', TLS' : ''}`
}
