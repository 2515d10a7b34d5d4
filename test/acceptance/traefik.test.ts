import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { request } from 'undici'
import { stringify } from 'yaml'
import { parseBasic } from '../behavior/credential.ts'
import { listen } from '../integration/interop/listen.ts'
import { createTraefik, startRealProxy } from '../integration/interop/real-proxy.ts'
import { skipWithout } from '../integration/interop/skip-without.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { traefikMiddlewares } from './specification.ts'

const host = 'kibana.example.com'
const traefik = createTraefik(
  ({ authelia, elastauth, kibana }) => {
    const middlewares = JSON.stringify(traefikMiddlewares)
      .replace('authelia:9091', authelia)
      .replace('elastauth:5000', elastauth)
    const router = { rule: `Host(\`${host}\`)`, middlewares: ['auth-chain'], service: 'kibana' }
    const services = { kibana: { loadBalancer: { servers: [{ url: `http://${kibana}` }] } } }
    return stringify({
      http: { middlewares: JSON.parse(middlewares) as object, routers: { kibana: router }, services },
    })
  },
  { host, path: '/' },
)

if (skipWithout(traefik) === false) {
  describe("Traefik with the specification's middlewares", () => {
    const cleanup = new AsyncDisposableStack()
    const received: (string | undefined)[] = []
    let gateway: Gateway
    let url: string
    after(() => cleanup.disposeAsync())

    before(async () => {
      const authelia = createServer(({ headers, url: target }, response) => {
        const isKnown = headers.cookie === 'session=testuser' && target === '/api/verify?rd=https://auth.example.com'
        if (isKnown) response.setHeader('Remote-User', 'testuser').setHeader('Remote-Groups', 'admins,users')
        response.writeHead(isKnown ? 200 : 401).end()
      })
      const kibana = createServer(({ headers }, response) => {
        received.push(headers.authorization)
        response.end('Kibana')
      })
      gateway = await startGateway({ flags: { 'elasticsearch.dry_run': 'true', default_roles: 'viewer' } })
      cleanup.defer(async () => void (await gateway.stop()))
      const backends = {
        authelia: await listen(authelia, cleanup),
        elastauth: new URL(gateway.url).host,
        kibana: await listen(kibana, cleanup),
        proxySecret: '',
      }
      url = (await startRealProxy(traefik, backends, cleanup)).url
    })

    const statusFor = async (headers: Record<string, string>) => {
      const { statusCode, body } = await request(url, { headers: { host, ...headers } })
      await body.dump()
      return statusCode
    }

    test("a request of a user reaches Kibana with that user's credential", async () => {
      assert.equal(await statusFor({ cookie: 'session=testuser' }), 200)
      assert.equal(parseBasic(received.at(-1)).username, 'testuser')
    })

    test('a request without a session gets 401 and does not reach Kibana', async () => {
      const before = received.length
      assert.equal(await statusFor({ authorization: `Basic ${btoa('elastic:changeme')}` }), 401)
      assert.equal(received.length, before)
    })
  })
}
