import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Client } from '@elastic/elasticsearch'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import {
  authorize,
  elasticsearchFlags,
  type Gateway,
  type GatewayOptions,
  startGateway,
  startGatewayFor,
} from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
const stamp = `own-${process.pid}`
const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`

type Key = Readonly<{ id: string; encoded: string; authorization: string }>

describe('clients with their own credential, with a real Elasticsearch', { skip: elasticsearch.skip }, () => {
  let gateway: Gateway
  const account = { username: `${stamp}-service`, password: 'service-password' }
  const stack = new AsyncDisposableStack()

  const call = (path: string, method = 'GET', body?: unknown, headers = {}) =>
    callElasticsearch(elasticsearch.node, path, { method, ...(body !== undefined && { body }), headers })

  /** @param as the owner, by default the account of the tests */
  async function createKey(
    body: Record<string, unknown> = {},
    as?: { username: string; password: string },
  ): Promise<Key> {
    const response = await callElasticsearch(elasticsearch.node, '/_security/api_key', {
      method: 'POST',
      body: { name: `${stamp} key`, ...body },
      ...(as && { as }),
    })
    assert.equal(response.status, 200, JSON.stringify(response.body))
    return { ...response.body, authorization: `ApiKey ${response.body.encoded}` }
  }

  async function startProxy({ flags, ...options }: GatewayOptions = {}): Promise<Gateway> {
    const { node } = elasticsearch
    const started = await startGatewayFor(
      { url: node.url, ...account },
      {
        flags: {
          'proxy.enabled': 'true',
          'proxy.elasticsearch_url': node.url,
          auth_providers: 'elasticsearch,authelia',
          'elasticsearch_auth.basic': 'true',
          'elasticsearch_auth.cache_ttl': '0s',
          ...flags,
        },
        ...options,
      },
    )
    stack.defer(async () => void (await started.stop()))
    return started
  }

  /** What Elasticsearch says about the caller, or the error of elastauth. */
  async function whoIs(authorization: string, to = gateway, headers: Record<string, string> = {}) {
    const response = await fetch(`${to.url}/_security/_authenticate`, { headers: { authorization, ...headers } })
    const body = (await response.json()) as { username?: string; error?: string }
    return [response.status, body.username ?? body.error]
  }

  before(async () => {
    for (const [name, body] of [
      [account.username, { password: account.password, roles: ['superuser'] }],
      [`${stamp}-editor`, { password: 'editor-password', roles: ['editor'] }],
    ] as const)
      assert.equal((await call(`/_security/user/${name}`, 'PUT', body)).status, 200)
    gateway = await startProxy()
  })
  after(async () => {
    await stack.disposeAsync()
    await call(`/_security/user/${account.username}`, 'DELETE')
    await call(`/_security/user/${stamp}-editor`, 'DELETE')
    await call('/_security/service/elastic/fleet-server/credential/token/own', 'DELETE')
    await call(`/${stamp}`, 'DELETE')
  })

  test('a stream of _bulk requests, as Filebeat sends, is indexed with an API key that may only write', async () => {
    const { authorization } = await createKey({
      role_descriptors: {
        writer: {
          cluster: ['monitor'],
          index: [{ names: [stamp], privileges: ['auto_configure', 'create_doc', 'create_index'] }],
        },
      },
    })
    const cached = await startProxy({ flags: { 'elasticsearch_auth.cache_ttl': '60s' } })
    const event = (batch: number, i: number) => [
      { create: { _index: stamp } },
      { '@timestamp': new Date(0).toISOString(), batch, i, message: 'x'.repeat(500) },
    ]
    for (let batch = 0; batch < 20; batch++) {
      const lines = Array.from({ length: 50 }, (_, i) => event(batch, i)).flat()
      const response = await fetch(`${cached.url}/_bulk`, {
        method: 'POST',
        headers: {
          authorization,
          'content-type': 'application/json; charset=UTF-8',
          'user-agent': 'Elastic-filebeat/9.5.3',
        },
        body: `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`,
      })
      const { errors } = (await response.json()) as { errors: boolean }
      assert.deepEqual([response.status, errors], [200, false])
    }
    await call(`/${stamp}/_refresh`, 'POST')
    assert.equal((await call(`/${stamp}/_count`)).body.count, 1000)
    const line = await cached.logged((one) => one['url.path'] === '/_bulk')
    assert.equal(line['elastauth.credential.name'], `${stamp} key`)
    const denied = await fetch(`${cached.url}/${stamp}/_search`, { headers: { authorization } })
    assert.equal(denied.status, 403)
    assert.match(await denied.text(), /API key id/)
  })

  test('the official client works with auth.apiKey', async () => {
    const { encoded } = await createKey()
    const client = new Client({ node: gateway.url, auth: { apiKey: encoded } })
    assert.equal((await client.security.authenticate()).authentication_type, 'api_key')
    assert.ok((await client.info()).version.number)
    await client.close()
  })

  test('a service account token is forwarded', async () => {
    const path = '/_security/service/elastic/fleet-server/credential/token/own'
    const { body } = await call(path, 'POST')
    assert.deepEqual(await whoIs(`Bearer ${body.token.value}`), [200, 'elastic/fleet-server'])
    assert.deepEqual(await whoIs(`Bearer ${body.token.value}A`), [401, 'credential_invalid'])
  })

  test('a key that is revoked is rejected when it is verified again', async () => {
    const { id, authorization } = await createKey()
    assert.equal((await whoIs(authorization))[0], 200)
    await call('/_security/api_key', 'DELETE', { ids: [id] })
    assert.deepEqual(await whoIs(authorization), [401, 'credential_invalid'])
  })

  test('a key with a wrong secret is rejected', async () => {
    const { id } = await createKey()
    const wrong = Buffer.from(`${id}:wrong-secret-wrong-secr`).toString('base64')
    assert.deepEqual(await whoIs(`ApiKey ${wrong}`), [401, 'credential_invalid'])
  })

  test('the API key of a managed user is accepted, and the password of that user is rejected', async () => {
    const username = `${stamp}-managed`
    const authOnly = await startGatewayFor(
      { url: elasticsearch.node.url, ...account },
      { flags: { default_roles: 'superuser' } },
    )
    stack.defer(async () => void (await authOnly.stop()))
    const { authorization } = await authorize(authOnly, username)
    const [, password = ''] = Buffer.from(authorization!.slice(6), 'base64').toString().split(':')
    const key = await createKey({}, { username, password })
    assert.deepEqual(await whoIs(key.authorization), [200, username])
    assert.deepEqual(await whoIs(authorization!), [403, 'user_reserved'])
    assert.deepEqual((await call(`/_security/user/${username}`)).body[username].enabled, true)
  })

  test('the service account is rejected by password, in any letter case, and by its API key', async () => {
    const { username, password } = account
    const key = await createKey({}, account)
    for (const name of [username, username.toUpperCase()])
      assert.deepEqual(await whoIs(basic(name, password)), [403, 'user_reserved'])
    assert.deepEqual(await whoIs(key.authorization), [403, 'user_reserved'])
    assert.deepEqual(await whoIs(key.authorization, gateway, { 'es-security-runas-user': 'elastic' }), [
      403,
      'user_reserved',
    ])
  })

  test("elastauth's own API key is rejected, and another key of its owner is accepted", async () => {
    const own = await createKey({ role_descriptors: { elastauth: { cluster: ['manage_security'] } } })
    const other = await createKey()
    const withKey = await startGateway({
      flags: {
        ...elasticsearchFlags,
        'elasticsearch.hosts': elasticsearch.node.url,
        'proxy.enabled': 'true',
        'proxy.elasticsearch_url': elasticsearch.node.url,
        auth_provider: 'elasticsearch',
      },
      env: { ELASTAUTH_ELASTICSEARCH_API_KEY: own.encoded },
    })
    stack.defer(async () => void (await withKey.stop()))
    assert.deepEqual(await whoIs(own.authorization, withKey), [403, 'user_reserved'])
    assert.deepEqual(await whoIs(other.authorization, withKey), [200, elasticsearch.node.username])
  })

  test('reserved users are rejected by password unless they are allowed', async () => {
    const { username, password } = elasticsearch.node
    assert.deepEqual(await whoIs(basic(username, password)), [403, 'user_reserved'])
    const allowing = await startProxy({ flags: { 'elasticsearch_auth.allow_reserved': 'elastic' } })
    assert.deepEqual(await whoIs(basic(username, password), allowing), [200, 'elastic'])
  })

  test('the password of a native user is accepted, and a client cannot act as another user with run-as headers', async () => {
    const editor = basic(`${stamp}-editor`, 'editor-password')
    assert.deepEqual(await whoIs(editor), [200, `${stamp}-editor`])
    assert.deepEqual(await whoIs(basic(`${stamp}-editor`, 'wrong')), [401, 'credential_invalid'])
    const { authorization } = await createKey()
    for (const [own, username] of [
      [editor, `${stamp}-editor`],
      [authorization, elasticsearch.node.username],
    ] as const) {
      const headers = { 'es-security-runas-user': 'kibana_system', 'es-secondary-authorization': authorization }
      assert.deepEqual(await whoIs(own, gateway, headers), [200, username])
    }
  })
})
