import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createFakeElasticsearch } from '../../support/fake-elasticsearch/fake-elasticsearch.ts'
import { elasticsearchFlags, type Gateway, startGateway } from '../../support/gateway.ts'
import { type ClientRequest, sendRequest } from './client-request.ts'
import { startFakeAuthelia } from './fake-authelia.ts'
import { type FakeKibana, startFakeKibana } from './fake-kibana.ts'
import { realProxies } from './proxies.ts'
import { type Running, startRealProxy } from './real-proxy.ts'
import { groupMappings, sessions } from './sessions.ts'
import { skipWithout } from './skip-without.ts'

const proxySecret = 'shared-by-proxy-and-elastauth'
const forged = [
  'X-Forwarded-Method: DELETE',
  'X-Forwarded-Uri: /forged',
  'X-Forwarded-Host: forged.example.com',
  'X-Forwarded-Proto: https',
  'X-Original-Method: DELETE',
  'X-Original-URL: https://forged.example.com/forged',
]
const crossSite = ['Origin: https://evil.example']
const sameOrigin = ['Origin: http://kibana.example.com']

for (const realProxy of realProxies) {
  const skip = skipWithout(realProxy)
  if (skip !== false && realProxy.isOptional) continue
  describe(`behind ${realProxy.name}, configured as its page in docs/deployment says`, { skip }, () => {
    const cleanup = new AsyncDisposableStack()
    const elasticsearch = createFakeElasticsearch()
    let gateway: Gateway
    let kibana: FakeKibana
    let proxy: Running

    before(async () => {
      const url = await elasticsearch.listen()
      cleanup.defer(() => elasticsearch.close())
      gateway = await startGateway({
        flags: {
          ...elasticsearchFlags,
          'forward_auth.profile': realProxy.profile,
          trusted_proxies: 'loopback',
          'elasticsearch.hosts': url,
          default_roles: 'kibana_admin',
        },
        env: {
          ELASTAUTH_PROXY_SECRET: proxySecret,
          ELASTAUTH_GROUP_MAPPINGS: JSON.stringify(groupMappings),
          ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
          ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
        },
      })
      cleanup.defer(async () => void (await gateway.stop()))
      kibana = await startFakeKibana({ url }, cleanup)
      const authelia = await startFakeAuthelia(sessions, cleanup)
      const backends = { authelia, elastauth: new URL(gateway.url).host, kibana: kibana.address, proxySecret }
      proxy = await startRealProxy(realProxy, backends, cleanup)
    })
    after(() => cleanup.disposeAsync())

    async function outcomeOf(request: ClientRequest) {
      const before = kibana.requests()
      const { status } = await sendRequest(proxy, { session: 'bob', ...request })
      return { status, reached: kibana.requests() - before }
    }

    test("logs the request's method, host and path when the client forges X-Forwarded-* and X-Original-*", async () => {
      await sendRequest(proxy, { session: 'bob', target: '/app/mine', lines: forged })
      const line = await gateway.logged((entry) => /^\/(?:app\/mine|forged|)$/.test(String(entry['url.path'])))
      const { 'http.request.method': method, 'url.path': path, 'url.domain': domain } = line
      assert.deepEqual({ method, path, domain }, { method: 'GET', path: '/app/mine', domain: 'kibana.example.com' })
    })

    test("the log has the client's address when the client forges X-Forwarded-For and Forwarded", async () => {
      const lines = ['X-Forwarded-For: 203.0.113.7', 'Forwarded: for=203.0.113.7', 'X-Real-IP: 203.0.113.7']
      for (const [path, extra] of [
        ['/app/plain', []],
        ['/app/forged', lines],
      ] as const) {
        await sendRequest(proxy, { session: 'bob', target: path, lines: extra, localAddress: '127.0.0.2' })
        const line = await gateway.logged((entry) => entry['url.path'] === path)
        const { 'client.ip': client, 'source.ip': source } = line
        assert.deepEqual({ client, source }, { client: '127.0.0.2', source: '127.0.0.1' }, path)
      }
      assert.doesNotMatch(gateway.output(), /203\.0\.113\.7/)
    })

    test('rejects a cross-site write and a cross-site WebSocket with 403, and forwards same-origin ones', async () => {
      const requests: readonly ClientRequest[] = [{ method: 'POST', body: 3 }, { isWebSocket: true }]
      for (const request of requests) {
        const success = request.isWebSocket ? 101 : 200
        for (const lines of [crossSite, ['Sec-Fetch-Site: cross-site'], [...crossSite, ...forged]])
          assert.deepEqual(await outcomeOf({ ...request, lines }), { status: 403, reached: 0 }, lines.join())
        for (const lines of [[], sameOrigin, ['Sec-Fetch-Site: same-origin', ...crossSite]])
          assert.deepEqual(await outcomeOf({ ...request, lines }), { status: success, reached: 1 }, lines.join())
      }
      assert.deepEqual(await outcomeOf({ lines: crossSite }), { status: 200, reached: 1 })
    })

    test('a user whose Connection header names Remote-Groups keeps the roles of these groups or is rejected', async () => {
      assert.equal((await outcomeOf({})).status, 200)
      for (const line of [
        'Connection: Remote-Groups',
        'Connection: close, remote-groups',
        'Connection: x\tREMOTE-GROUPS',
      ]) {
        const { status, reached } = await outcomeOf({ lines: [line] })
        assert.ok(status === 200 || (status === 400 && reached === 0), `${line}: ${status}`)
        assert.deepEqual(elasticsearch.users.get('interop-bob')?.roles, ['viewer'], line)
      }
    })
  })
}
