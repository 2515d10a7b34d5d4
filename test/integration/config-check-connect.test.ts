import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { serviceAccount } from '../behavior/fixture.ts'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { elasticsearchFlags, testKey } from '../support/gateway.ts'
import { respondHtml } from '../support/oidc/faults.ts'
import { startOidcProvider } from '../support/oidc/provider.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { usersEnv, usersFlags } from '../support/sign-in-form.ts'

const skip = skipWithoutRedis()

async function checkConfig(flags: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>) {
  const args = Object.entries({ ...elasticsearchFlags, ...flags }).flatMap(([key, value]) => [`--${key}`, value])
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
  const flags = { ...redisFlags, 'cache.redis_host': redis.address, 'elasticsearch.hosts': hosts }

  test('config check --connect exits with 0 and names both servers when Elasticsearch and Redis are available', async () => {
    const { code, output } = await checkConfig(flags, {})
    assert.match(output, /Configuration OK.*Elasticsearch \(http:.*\): OK.*Redis \(127.*\): OK/s)
    assert.equal(code, 0)
  })

  test('config check --connect exits with 1 and gives the reason without the password when Redis rejects the credentials', async () => {
    const secret = 'wrong-password'
    const { code, output } = await checkConfig(
      { ...redisFlags, 'elasticsearch.hosts': hosts },
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

describe('config check --connect for users with passwords, with an ACL user of Redis', { skip }, async () => {
  const redis = await startRedis()
  after(() => redis.stop())
  const flags = {
    'elasticsearch.dry_run': 'true',
    ...redisFlags,
    'cache.redis_host': redis.address,
    ...usersFlags,
  }
  const env = {
    ...usersEnv,
    ELASTAUTH_ELASTICSEARCH_USERNAME: '',
    ELASTAUTH_ELASTICSEARCH_PASSWORD: '',
    ELASTAUTH_CACHE_REDIS_USERNAME: 'gate',
    ELASTAUTH_CACHE_REDIS_PASSWORD: 'secret',
  }
  const page = readFileSync(join(import.meta.dirname, '../../docs/credentials-model.md'), 'utf8')
  const rightsAfter = (text: string) =>
    page
      .split(text)[1]!
      .match(/`([^`]*\+[^`]*)`/)![1]!
      .split(' ')
  const rights = rightsAfter('The rights of an ACL user:')
  const ofSessions = rightsAfter('for the sessions of people who sign in')
  const ofAttempts = rightsAfter('for failed attempts of users with a password')
  const checkWith = async (allowed: readonly string[], login: string) => {
    await redis.client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>secret', ...allowed)
    return checkConfig({ ...flags, 'users.login': login }, env)
  }

  test('config check --connect exits with 0 with the documented rights, with and without the sign-in form', async () => {
    for (const [allowed, login] of [
      [[...rights, ...ofAttempts], 'false'],
      [[...rights, ...ofAttempts, ...ofSessions], 'true'],
    ] as const) {
      const { code, output } = await checkWith(allowed, login)
      assert.match(output, /Redis \(127.*\): OK/)
      assert.equal(code, 0)
    }
  })

  for (const right of ofAttempts) {
    test(`config check --connect exits with 1 and names the rights for failed sign-ins when Redis does not allow ${right}`, async () => {
      const { code, output } = await checkWith([...rights, ...ofAttempts.filter((one) => one !== right)], 'false')
      assert.ok(
        output.includes(`: for failed sign-ins, the user of Redis needs the rights ${ofAttempts.join(' ')}\n`),
        output,
      )
      assert.equal(code, 1)
    })
  }

  test('config check --connect exits with 1 and names the rights for sessions when Redis does not allow those of the sign-in form', async () => {
    const { code, output } = await checkWith([...rights, ...ofAttempts], 'true')
    assert.ok(output.includes(`: for sessions, the user of Redis needs the rights ${ofSessions.join(' ')}\n`), output)
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
    'oidc.timeout': '30s',
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

describe('config check --connect with sign-in through elastauth', async () => {
  const idp = await startOidcProvider({ client: { scope: 'openid profile email offline_access' } })
  after(() => idp.stop())
  idp.register('https://kibana.test')
  const flags = {
    'elasticsearch.dry_run': 'true',
    auth_provider: 'oidc',
    'oidc.issuer': idp.issuer,
    'oidc.client_id': idp.clientId,
    'oidc.redirect_url': 'https://kibana.test/elastauth/callback',
    'oidc.scopes': 'openid,profile',
    'oidc.timeout': '30s',
  }
  const env = {
    ELASTAUTH_ELASTICSEARCH_USERNAME: '',
    ELASTAUTH_ELASTICSEARCH_PASSWORD: '',
    ELASTAUTH_OIDC_CLIENT_SECRET: idp.clientSecret,
  }

  test('config check --connect exits with 0 if the provider accepts the client and the scopes, and rejects only the code', async () => {
    const { code, output } = await checkConfig(flags, env)
    assert.match(output, /OpenID provider \(http:.*\): OK/)
    assert.equal(code, 0)
    assert.deepEqual(idp.grants.at(-1), { type: 'authorization_code', error: 'invalid_grant' })
  })

  const wrong: [what: string, flags: Record<string, string>, env: Record<string, string>, reason: RegExp][] = [
    [
      'client_secret',
      {},
      { ELASTAUTH_OIDC_CLIENT_SECRET: 'wrong' },
      /rejected the client \(.*\): correct oidc\.client_id, oidc\.client_secret/,
    ],
    ['client_id', { 'oidc.client_id': 'wrong' }, {}, /rejected the client \(.*\): correct oidc\.client_id/],
    ['scopes', { 'oidc.scopes': 'openid,groups' }, {}, /refuses the scopes openid groups: correct oidc\.scopes/],
    [
      'redirect_url',
      { 'oidc.redirect_url': 'https://other.test/elastauth/callback' },
      {},
      /400: register https:\/\/other/,
    ],
  ]
  for (const [what, wrongFlags, wrongEnv, reason] of wrong) {
    test(`config check --connect exits with 1 and names the key if oidc.${what} is wrong`, async () => {
      const { code, output } = await checkConfig({ ...flags, ...wrongFlags }, { ...env, ...wrongEnv })
      assert.match(output, reason)
      assert.ok(!output.includes(idp.clientSecret))
      assert.equal(code, 1)
    })
  }

  test('config check --connect warns about a scope that the provider does not list if it cannot be tried without redirect_url', async () => {
    const { 'oidc.redirect_url': _, ...others } = flags
    const { code, output } = await checkConfig({ ...others, 'oidc.scopes': 'openid,payroll' }, env)
    assert.match(output, /warning: the OpenID provider does not list the scope payroll: .*oidc\.scopes/)
    assert.equal(code, 0)
  })
})

describe('config check --connect with roles and upstreams', async () => {
  const elasticsearch = createFakeElasticsearch()
  after(() => elasticsearch.close())
  const flags = { 'elasticsearch.hosts': await elasticsearch.listen() }
  const closed = 'http://127.0.0.1:9'

  test('config check --connect exits with 1 and names the roles of the configuration that Elasticsearch lacks', async () => {
    const env = { ELASTAUTH_GROUP_MAPPINGS: '{"admins": ["superuser", "payroll"], "*": ["{group}"]}' }
    const { code, output } = await checkConfig({ ...flags, default_roles: 'missing' }, env)
    assert.match(output, /Elasticsearch .*: there is no role payroll, missing: .*group_mappings and default_roles/)
    assert.equal(code, 1)
  })

  test('config check --connect exits with 1 and names the keys of upstreams that do not respond, also if another one does', async () => {
    const proxy = { ...flags, 'proxy.enabled': 'true' }
    const dead = await checkConfig({ ...proxy, 'proxy.elasticsearch_url': closed }, {})
    assert.match(dead.output, /Upstreams .*: http:\/\/127\.0\.0\.1:9 does not respond: .*proxy\.elasticsearch_url/)
    assert.equal(dead.code, 1)
    const routes = JSON.stringify([{ path: '/', upstreams: [flags['elasticsearch.hosts'], closed] }])
    const oneOfTwo = await checkConfig(proxy, { ELASTAUTH_PROXY_ROUTES: routes })
    assert.match(oneOfTwo.output, /Upstreams .*: http:\/\/127\.0\.0\.1:9 does not respond: .*proxy\.routes/)
    assert.equal(oneOfTwo.code, 1)
    const alive = await checkConfig({ ...proxy, 'proxy.elasticsearch_url': flags['elasticsearch.hosts'] }, {})
    assert.match(alive.output, /Upstreams \(http:.*\): OK/)
    assert.equal(alive.code, 0)
  })
})
