import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createFakeElasticsearch } from '../../support/fake-elasticsearch/fake-elasticsearch.ts'
import { type Gateway, startGateway } from '../../support/gateway.ts'
import { type Ask, ask } from './ask.ts'
import { startAuthelia } from './authelia.ts'
import { whyNotInstalled } from './installed.ts'
import { realProxies } from './interop.ts'
import { type Kibana, startKibana } from './kibana.ts'
import { type Running, startRealProxy } from './proxy.ts'
import { groupMappings, sessions } from './sessions.ts'

const proxySecret = 'known-to-the-proxy-alone'
const forged = [
  'X-Forwarded-Method: DELETE',
  'X-Forwarded-Uri: /forged',
  'X-Forwarded-Host: forged.example.com',
  'X-Forwarded-Proto: https',
  'X-Original-Method: DELETE',
  'X-Original-URL: https://forged.example.com/forged',
]
const crossSite = ['Origin: https://evil.example']
const ownPage = ['Origin: http://kibana.example.com']

for (const neighbour of realProxies) {
  const skip = whyNotInstalled(neighbour)
  if (skip !== false && neighbour.isOptional) continue
  describe(`behind ${neighbour.name}, as its page in docs/deployment says`, { skip }, () => {
    const until = new AsyncDisposableStack()
    const standIn = createFakeElasticsearch()
    let gateway: Gateway
    let kibana: Kibana
    let proxy: Running

    before(async () => {
      const url = await standIn.listen()
      until.defer(() => standIn.close())
      gateway = await startGateway({
        flags: {
          'forward_auth.profile': neighbour.profile,
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
      until.defer(async () => void (await gateway.stop()))
      kibana = await startKibana({ url }, until)
      const authelia = await startAuthelia(sessions, until)
      const surroundings = { authelia, elastauth: new URL(gateway.url).host, kibana: kibana.address, proxySecret }
      proxy = await startRealProxy(neighbour, surroundings, until)
    })
    after(() => until.disposeAsync())

    async function outcomeOf(asked: Ask) {
      const before = kibana.requests()
      const { status } = await ask(proxy, { session: 'bob', ...asked })
      return { status, reached: kibana.requests() - before }
    }

    test('the log has the method, host and path of the request, whatever the client says of another', async () => {
      await ask(proxy, { session: 'bob', target: '/app/mine', lines: forged })
      const line = await gateway.logged((entry) => /^\/(?:app\/mine|forged|)$/.test(String(entry['url.path'])))
      const { 'http.request.method': method, 'url.path': path, 'url.domain': domain } = line
      assert.deepEqual({ method, path, domain }, { method: 'GET', path: '/app/mine', domain: 'kibana.example.com' })
    })

    test("rejects a write and a WebSocket of another site's page with 403, and forwards those of its own pages", async () => {
      const both: readonly Ask[] = [{ method: 'POST', body: 3 }, { isWebSocket: true }]
      for (const asked of both) {
        const success = asked.isWebSocket ? 101 : 200
        for (const lines of [crossSite, ['Sec-Fetch-Site: cross-site'], [...crossSite, ...forged]])
          assert.deepEqual(await outcomeOf({ ...asked, lines }), { status: 403, reached: 0 }, lines.join())
        for (const lines of [[], ownPage, ['Sec-Fetch-Site: same-origin', ...crossSite]])
          assert.deepEqual(await outcomeOf({ ...asked, lines }), { status: success, reached: 1 }, lines.join())
      }
      assert.deepEqual(await outcomeOf({ lines: crossSite }), { status: 200, reached: 1 })
    })

    test('a user whose Connection names Remote-Groups keeps the roles of these groups, or is rejected', async () => {
      assert.equal((await outcomeOf({})).status, 200)
      for (const line of [
        'Connection: Remote-Groups',
        'Connection: close, remote-groups',
        'Connection: x\tREMOTE-GROUPS',
      ]) {
        const { status, reached } = await outcomeOf({ lines: [line] })
        assert.ok(status === 200 || (status === 400 && reached === 0), `${line}: ${status}`)
        assert.deepEqual(standIn.users.get('neighbour-bob')?.roles, ['viewer'], line)
      }
    })
  })
}
