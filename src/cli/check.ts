import { providersOf } from '../../config/header-presets.ts'
import type { Config } from '../../config/schema.ts'
import { elasticsearchOptions } from '../app/options/elasticsearch.ts'
import { oidcTokensOptions } from '../app/options/oidc.ts'
import { redisConnection } from '../app/options/redis.ts'
import { createCall } from '../es/call.ts'
import { createElasticsearchClient } from '../es/client.ts'
import { createPrivilegeCheck } from '../es/service-account.ts'
import { asGatewayError } from '../http/errors.ts'
import { createRedis } from '../redis/redis.ts'

/** The command `elastauth config check --connect`: connects to every configured server. @returns the exit code */
export async function checkConnections(config: Config): Promise<0 | 1> {
  const { elasticsearch, cache, oidc } = config
  const hasOidc = providersOf(config).includes('oidc')
  const results = [
    elasticsearch.dry_run ||
      (await report('Elasticsearch', elasticsearch.hosts.join(', '), () => checkElasticsearch(config))),
    cache.type !== 'redis' ||
      (await report('Redis', describeRedis(config), () => checkRedis(config, hasOidc && oidc.login))),
    !hasOidc || (await report('OpenID provider', oidc.issuer!, () => checkProvider(config))),
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
    await createPrivilegeCheck(() => client, createCall({ monotonicNow, report: () => {} }))()
  } finally {
    void client.close()
  }
}

async function checkRedis(config: Config, hasSessions: boolean): Promise<void> {
  const redis = createRedis({ connection: redisConnection(config), count: () => {}, onStateChange: () => {} })
  try {
    await redis.start()
    await redis.probe(hasSessions)
  } finally {
    redis.close()
  }
}

async function checkProvider(config: Config): Promise<void> {
  const { createOidcTokens } = await import('../providers/oidc/tokens.ts') // loaded only if configured
  const { preload, close } = createOidcTokens({
    ...oidcTokensOptions(config),
    now: Date.now,
    monotonicNow,
    reportProblem: () => {},
  })
  await preload().finally(close)
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
