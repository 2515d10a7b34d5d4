import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { elasticsearchFlags, type Gateway, testKey } from '../support/gateway.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { startRawUpstream } from '../support/upstream.ts'
import { eventually } from '../support/wait.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'

const elasticsearch = await useElasticsearch()
const skip = elasticsearch.skip || skipWithoutRedis()
const whoAmI = '/_security/_authenticate'

for (const hasRedis of [true, false]) {
  const where = hasRedis ? 'three replicas that share Redis' : 'three replicas without Redis'
  describe(`elastauth users revoke with ${where} and a real Elasticsearch`, { skip }, async () => {
    if (skip) return
    const { node } = elasticsearch
    const redis = hasRedis ? await startRedis() : undefined
    after(() => redis?.stop())
    const webSockets = await startRawUpstream((socket) => socket.write(switchingProtocols))
    const { startProxy, idp } = await createOidcTestBed()
    const flags = {
      ...elasticsearchFlags,
      'elasticsearch.dry_run': 'false',
      'elasticsearch.hosts': node.url,
      'elasticsearch.username': node.username,
      'cache.revalidate': '1s',
      ...(redis && { ...redisFlags, 'cache.redis_host': redis.address }),
    }
    const env = {
      ELASTAUTH_ELASTICSEARCH_PASSWORD: node.password,
      ELASTAUTH_PROXY_ROUTES: JSON.stringify([{ path: '/socket', upstreams: [webSockets.url] }]),
    }
    const start = () => startProxy({ ...flags, 'proxy.elasticsearch_url': node.url }, env)
    const replicas: readonly Gateway[] = [await start(), await start(), await start()]
    const first = replicas[0]!

    const users = (...args: string[]) =>
      runElastauth(
        [
          'users',
          ...args,
          ...Object.entries({ ...flags, 'oidc.issuer': idp.issuer, 'oidc.client_id': idp.clientId }).flatMap(
            ([key, value]) => [`--${key}`, value],
          ),
        ],
        {
          ...env,
          ELASTAUTH_SECRET_KEY: testKey,
          ELASTAUTH_AUTH_PROVIDER: 'oidc',
          ELASTAUTH_OIDC_CLIENT_SECRET: idp.clientSecret,
          ELASTAUTH_DEFAULT_ROLES: 'viewer',
        },
      )

    /** Without Redis, each replica has its own sessions. */
    async function signInEverywhere(): Promise<UserAgent> {
      const agent = createUserAgent()
      for (const { url } of replicas) await agent.visit(`${url}${whoAmI}`, 'alice')
      return agent
    }
    const statuses = (send: (url: string) => Promise<Response>) =>
      Promise.all(replicas.map(async ({ url }) => (await send(`${url}${whoAmI}`)).status))
    const withSession = (agent: UserAgent) => statuses((url) => agent.request(url))
    const withToken = (token: string) =>
      statuses((url) => fetch(url, { headers: { authorization: `Bearer ${token}` } }))
    const everywhere = (status: number) => [status, status, status]

    async function createApiKey(token: string, name: string): Promise<string> {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const response = await fetch(`${first.url}/_security/api_key`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ name }),
      })
      return `ApiKey ${((await response.json()) as { encoded: string }).encoded}`
    }
    /** A key that is created with another key has another realm at Elasticsearch, and no privileges. */
    async function createDerivedKey(authorization: string): Promise<string> {
      const body = { name: 'derived', role_descriptors: { none: {} } }
      const options = { method: 'POST', body, as: null, headers: { authorization } }
      return `ApiKey ${(await callElasticsearch(node, '/_security/api_key', options)).body.encoded}`
    }
    const statusOf = async (authorization: string) =>
      (await callElasticsearch(node, whoAmI, { as: null, headers: { authorization } })).status

    test(`after users revoke --disable --api-keys no credential of the person works at ${where}, and after users enable only a new sign-in does`, async () => {
      const agent = await signInEverywhere()
      const token = await idp.sign()
      assert.deepEqual(await withSession(agent), everywhere(200))
      assert.deepEqual(await withToken(token), everywhere(200))
      const apiKeys = [await createApiKey(token, 'one'), await createApiKey(token, 'two')]
      apiKeys.push(await createDerivedKey(apiKeys[0]!))
      const socket = requestWebSocket(first, '/socket', [
        `Cookie: ${agent.cookies(first.url)}`,
        `Origin: ${first.url}`,
        'Sec-Fetch-Site: same-origin',
      ])
      await socket.until(/101 Switching Protocols/)
      const password = /authorization: (Basic [\w+/=]+)/i.exec(await webSockets.until(/\r\n\r\n/))![1]!
      for (const credential of [password, ...apiKeys]) assert.equal(await statusOf(credential), 200)

      const incomplete = await users('revoke', 'alice', '--dry-run')
      assert.match(incomplete.stdout, /would leave 3 active API keys/)
      const { code, stdout, stderr } = await users('revoke', 'alice', '--disable', '--api-keys', '--json')
      assert.equal(code, 0, stdout + stderr)
      for (const credential of [password, ...apiKeys]) assert.equal(await statusOf(credential), 401)
      await socket.closed
      const assertNoAccess = async (send: () => Promise<number[]>) => {
        const all = await send()
        assert.ok(!all.includes(200), String(all))
      }
      await assertNoAccess(() => withSession(agent))
      await assertNoAccess(() => withToken(token))
      // A replica without Redis notices with its next check, and says why it rejects the request.
      await eventually(
        () => withToken(token),
        (all) => all.every((status) => status === 403),
      )
      const shown = JSON.parse((await users('show', 'alice', '--json')).stdout)
      assert.deepEqual([shown.state, shown.api_keys, shown.sessions], ['disabled', [], hasRedis ? [] : undefined])

      assert.equal((await users('enable', 'alice')).stdout, 'alice: enabled\n')
      await eventually(
        () => withToken(token),
        (all) => all.every((status) => status === 401),
      )
      assert.deepEqual(await withSession(agent), everywhere(302))
      const newAgent = await signInEverywhere()
      assert.deepEqual(await withSession(newAgent), everywhere(200))
      assert.deepEqual(await withToken(await idp.sign()), everywhere(200))
      await assertNoAccess(() => withToken(token))
      for (const credential of [password, ...apiKeys]) assert.equal(await statusOf(credential), 401)
    })

    if (redis)
      test('a session that a writer of Redis has removed from the list of its user ends with users revoke', async () => {
        const agent = await signInEverywhere()
        assert.deepEqual(await withSession(agent), everywhere(200))
        const keys = await redis.client.keys('*')
        const types = await Promise.all(keys.map((key) => redis.client.type(key)))
        const lists = keys.filter((_key, index) => types[index] === 'zset')
        assert.ok(lists.length > 0)
        await redis.client.del(lists)
        const { stdout } = await users('revoke', 'alice')
        assert.match(stdout, /✓ no session is in Redis: 0 ended/)
        assert.ok(!(await withSession(agent)).includes(200))
        assert.deepEqual(await withSession(await signInEverywhere()), everywhere(200))
      })
  })
}
