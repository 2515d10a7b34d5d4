import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { serviceAccount } from '../behavior/fixture.ts'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { testKey } from '../support/gateway.ts'
import { respondHtml } from '../support/oidc/faults.ts'
import { startOidcProvider } from '../support/oidc/provider.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'

const skip = skipWithoutRedis()

async function checkConfig(flags: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>) {
  const args = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, value])
  const ended = await runElastauth(['config', 'check', '--connect', ...args], {
    ELASTAUTH_SECRET_KEY: testKey,
    ...serviceAccount,
    ...env,
  })
  return { code: ended.code, output: ended.stdout + ended.stderr }
}

describe('config check --connect', { skip }, async () => {
  const [elasticsearch, redis] = [createFakeElasticsearch(), await startRedis()]
  after(() => Promise.all([elasticsearch.close(), redis.stop()]))
  const hosts = await elasticsearch.listen()
  const flags = { 'cache.type': 'redis', 'cache.redis_host': redis.address, 'elasticsearch.hosts': hosts }

  test('config check --connect exits with 0 and names both servers when Elasticsearch and Redis are available', async () => {
    const { code, output } = await checkConfig(flags, {})
    assert.match(output, /Configuration OK.*Elasticsearch \(http:.*\): OK.*Redis \(127.*\): OK/s)
    assert.equal(code, 0)
  })

  test('config check --connect exits with 1 and gives the reason without the password when Redis rejects the credentials', async () => {
    const secret = 'wrong-password'
    const { code, output } = await checkConfig(
      { 'cache.type': 'redis', 'elasticsearch.hosts': hosts },
      { ELASTAUTH_CACHE_REDIS_URL: `redis://unknown:${secret}@${redis.address}` },
    )
    assert.match(output, /Redis \(127.*\): .*WRONGPASS/)
    assert.ok(!output.includes(secret))
    assert.equal(code, 1)
  })

  test("config check --connect exits with 1 when Redis's memory is full", async () => {
    await redis.client.config('SET', 'maxmemory', '1')
    const { code, output } = await checkConfig(flags, {})
    assert.match(output, /Redis .*OOM/)
    assert.equal(code, 1)
    await redis.client.config('SET', 'maxmemory', '0')
  })

  test('config check --connect exits with 1 and names both servers when neither Elasticsearch nor Redis is available', async () => {
    const { code, output } = await checkConfig(
      { 'cache.type': 'redis', 'cache.redis_host': '127.0.0.1:9', 'elasticsearch.hosts': 'http://127.0.0.1:9' },
      {},
    )
    assert.match(output, /Elasticsearch .*ECONNREFUSED.*Redis .*ECONNREFUSED/s)
    assert.equal(code, 1)
  })
})

describe('config check --connect with an OpenID provider', async () => {
  const idp = await startOidcProvider()
  after(() => idp.stop())
  const flags = {
    'elasticsearch.dry_run': 'true',
    auth_provider: 'oidc',
    'oidc.issuer': idp.issuer,
    'oidc.client_id': idp.clientId,
    'oidc.login': 'false',
  }
  const env = { ELASTAUTH_ELASTICSEARCH_USERNAME: '', ELASTAUTH_ELASTICSEARCH_PASSWORD: '' }

  test("config check --connect exits with 0 after it has read the provider's metadata and keys", async () => {
    const { code, output } = await checkConfig(flags, env)
    assert.match(output, /OpenID provider \(http:.*\): OK/)
    assert.equal(code, 0)
    assert.deepEqual([idp.calls('discovery'), idp.calls('jwks')], [1, 1])
  })

  test("config check --connect exits with 1 and gives the reason when the provider's key set is an HTML page", async () => {
    const restore = idp.intercept('jwks', respondHtml)
    const { code, output } = await checkConfig(flags, env)
    restore()
    assert.match(output, /OpenID provider \(http:.*\): .*\(key set\): the response contains no keys/)
    assert.equal(code, 1)
  })
})
