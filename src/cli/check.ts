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

/** `elastauth config check --connect`: tries what this configuration connects to, from here. @returns the exit code */
export async function checkConnections(config: Config): Promise<0 | 1> {
  const { elasticsearch, cache, oidc } = config
  const hasOidc = providersOf(config).includes('oidc')
  const results = [
    elasticsearch.dry_run ||
      (await say('Elasticsearch', elasticsearch.hosts.join(', '), () => tryElasticsearch(elasticsearch))),
    cache.type !== 'redis' || (await say('Redis', describeRedis(cache), () => tryRedis(cache, hasOidc && oidc.login))),
    !hasOidc || (await say('OpenID provider', oidc.issuer!, () => tryProvider(oidc))),
  ]
  return results.every(Boolean) ? 0 : 1
}

async function say(name: string, where: string, attempt: () => Promise<void>): Promise<boolean> {
  try {
    await attempt()
    console.log(`${name} (${where}): works, and lets us do what we need`)
    return true
  } catch (error) {
    console.error(`${name} (${where}): ${asGatewayError(error).detail}`)
    return false
  }
}

async function tryElasticsearch(elasticsearch: Config['elasticsearch']): Promise<void> {
  const client = createElasticsearchClient(elasticsearchOptions(elasticsearch))
  try {
    await createPrivilegeCheck(() => client, createCall({ monotonicNow, report: () => {} }))()
  } finally {
    void client.close()
  }
}

async function tryRedis(cache: Config['cache'], hasSessions: boolean): Promise<void> {
  const redis = createRedis({ connection: redisConnection(cache), count: () => {}, onStateChange: () => {} })
  try {
    await redis.start()
    await redis.probe(hasSessions)
  } finally {
    redis.close()
  }
}

async function tryProvider(oidc: Config['oidc']): Promise<void> {
  const { createOidcTokens } = await import('../providers/oidc/tokens.ts') // loaded where it is needed
  const { preload, close } = createOidcTokens({
    ...oidcTokensOptions(oidc),
    now: Date.now,
    monotonicNow,
    reportProblem: () => {},
  })
  await preload().finally(close)
}

function monotonicNow(): number {
  return performance.now()
}

/** Never the URL itself, which may hold a password. */
function describeRedis(cache: Config['cache']): string {
  const { servers, tls } = redisConnection(cache)
  const addresses = servers.kind === 'standalone' ? [servers.address] : servers.addresses
  const kind = { standalone: '', sentinels: 'Sentinels ', cluster: 'Cluster ' }[servers.kind]
  return `${kind}${addresses.map(({ host, port }) => `${host}:${port}`).join(', ')}${tls ? ', TLS' : ''}`
}
