import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { testKey } from '../support/gateway.ts'
import { respondHtml } from '../support/oidc/faults.ts'
import { startOidcProvider } from '../support/oidc/provider.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'

const skip = skipWithoutRedis()
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

type Outcome = Readonly<{ code: number; output: string }>

function checkConfig(flags: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>): Promise<Outcome> {
  const args = ['config', 'check', '--connect', ...Object.entries(flags).flatMap(([key, value]) => [`--${key}`, value])]
  const login = { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      [main, ...args],
      { env: { PATH: process.env.PATH, ELASTAUTH_SECRET_KEY: testKey, ...login, ...env }, timeout: 120_000 },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    ),
  )
}

describe('config check --connect', { skip }, async () => {
  const [standIn, redis] = [createFakeElasticsearch(), await startRedis()]
  after(() => Promise.all([standIn.close(), redis.stop()]))
  const hosts = await standIn.listen()
  const flags = { 'cache.type': 'redis', 'cache.redis_host': redis.address, 'elasticsearch.hosts': hosts }

  test('both there: says so and exits 0', async () => {
    const { code, output } = await checkConfig(flags, {})
    assert.match(output, /The configuration is good.*Elasticsearch \(http:.*\): works.*Redis \(127.*\): works/s)
    assert.equal(code, 0)
  })

  test('Redis refuses us: says why, without the password, and exits 1', async () => {
    const secret = 'wrong-password'
    const { code, output } = await checkConfig(
      { 'cache.type': 'redis', 'elasticsearch.hosts': hosts },
      { ELASTAUTH_CACHE_REDIS_URL: `redis://nobody:${secret}@${redis.address}` },
    )
    assert.match(output, /Redis \(127.*\): .*WRONGPASS/)
    assert.ok(!output.includes(secret))
    assert.equal(code, 1)
  })

  test('a Redis that is full is found out', async () => {
    await redis.client.config('SET', 'maxmemory', '1')
    const { code, output } = await checkConfig(flags, {})
    assert.match(output, /Redis .*OOM/)
    assert.equal(code, 1)
    await redis.client.config('SET', 'maxmemory', '0')
  })

  test('neither there: names both', async () => {
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

  test('there: its metadata and its keys are what we need', async () => {
    const { code, output } = await checkConfig(flags, env)
    assert.match(output, /OpenID provider \(http:.*\): works/)
    assert.equal(code, 0)
    assert.deepEqual([idp.calls('discovery'), idp.calls('jwks')], [1, 1])
  })

  test('its keys are an HTML page: says so, and exits 1', async () => {
    const undo = idp.intercept('jwks', respondHtml)
    const { code, output } = await checkConfig(flags, env)
    undo()
    assert.match(output, /OpenID provider \(http:.*\): .*\(key set\): the response contains no keys/)
    assert.equal(code, 1)
  })
})
