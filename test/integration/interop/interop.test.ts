import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { otherTargets, spellingsOf } from '../../conformance/spellings.ts'
import { useElasticsearch } from '../../support/elasticsearch/use-elasticsearch.ts'
import { cases } from './cases.ts'
import { type ClientRequest, sendRequest } from './client-request.ts'
import { startElastauth } from './elastauth.ts'
import { startFakeAuthelia } from './fake-authelia.ts'
import { type FakeKibana, startFakeKibana } from './fake-kibana.ts'
import { caddyExample, realProxies, traefikExample } from './proxies.ts'
import { type Backends, type Running, startRealProxy } from './real-proxy.ts'
import { sessions } from './sessions.ts'
import { skipWithout } from './skip-without.ts'
import { startTruncatingServer } from './truncating-server.ts'

const elasticsearch = await useElasticsearch()
const unreachable = '127.0.0.1:9'
const proxySecret = 'shared-by-proxy-and-elastauth'

for (const realProxy of realProxies) {
  const missing = skipWithout(realProxy)
  if (missing !== false && realProxy.isOptional) continue
  const skip = missing || elasticsearch.skip
  describe(`behind ${realProxy.name}, configured as its page in docs/deployment says`, { skip }, () => {
    const cleanup = new AsyncDisposableStack()
    let kibana: FakeKibana
    let backends: Backends
    let proxy: Running

    before(async () => {
      kibana = await startFakeKibana(elasticsearch.node, cleanup)
      const elastauth = await startElastauth(realProxy, elasticsearch.node, proxySecret, cleanup)
      backends = {
        authelia: await startFakeAuthelia(sessions, cleanup),
        elastauth,
        kibana: kibana.address,
        proxySecret,
      }
      proxy = await startRealProxy(realProxy, backends, cleanup)
    })
    after(() => cleanup.disposeAsync())

    /** The outcome, and how many requests reached the application. */
    async function outcomeOf(request: ClientRequest, through = proxy) {
      const before = kibana.requests()
      const outcome = await sendRequest(through, request)
      return { ...outcome, reached: kibana.requests() - before }
    }

    for (const [name, request, expected] of cases) {
      test(`${name} gets the documented response`, async () => {
        const outcome = await outcomeOf(request)
        const compared = Object.keys(expected) as (keyof typeof outcome)[]
        assert.deepEqual(Object.fromEntries(compared.map((key) => [key, outcome[key]])), expected, outcome.body)
        assert.equal(outcome.reached, expected.user === undefined ? 0 : 1)
        if (outcome.headers === undefined) return
        assert.equal(outcome.host, 'kibana.example.com')
        assert.deepEqual(outcome.headers.filter(isPrivateHeader), [])
        assert.ok(outcome.headers.includes('x-forwarded-for') && outcome.headers.includes('x-forwarded-proto'))
      })
    }

    for (const target of [
      '/internal/auth',
      '/internal/authelia',
      '/elastauth',
      '/authorize/',
      '/api/authz/forward-auth',
    ]) {
      test(`a response to ${target} contains no credential`, async () => {
        const { responseHeaders, body } = await outcomeOf({ session: 'bob', target })
        assert.deepEqual(
          responseHeaders.filter((header) => /^(authorization|remote|x-login)/.test(header)),
          [],
        )
        assert.doesNotMatch(body, /Authentication successful/)
      })
    }

    if (realProxy === traefikExample || realProxy === caddyExample) {
      test("Kibana's sign-out leads to Authelia's, without a request to Kibana", async () => {
        for (const target of ['/logout', '/api/security/logout?msg=LOGGED_OUT']) {
          const { status, location, reached } = await outcomeOf({ session: 'bob', target })
          assert.deepEqual([status, location, reached], [302, 'https://auth.elastauth.localhost:8443/logout', 0])
        }
      })
    }

    test('no response to any spelling of a path below /elastauth contains a credential', async () => {
      for (const target of [...spellingsOf('elastauth'), ...otherTargets]) {
        // Some proxies close the connection on an invalid target.
        const outcome = await sendRequest(proxy, { session: 'bob', target }).catch(() => undefined)
        assert.doesNotMatch(outcome?.body ?? '', /Authentication successful/, target)
        assert.ok(!outcome?.responseHeaders.includes('authorization'), target)
      }
      assert.equal((await outcomeOf({ session: 'bob' })).user, 'interop-bob')
    })

    test('a user whose Connection header names Remote-User is authenticated as that user or rejected', async () => {
      const { status, user } = await outcomeOf({ session: 'bob', lines: ['Connection: Remote-User, Remote-Groups'] })
      assert.ok((status === 200 && user === 'interop-bob') || status === 401 || status === 400, `${status} ${user}`)
    })

    test('100 kB of headers are rejected, and the next request succeeds', async () => {
      const lines = Array.from({ length: 100 }, (_, i) => `X-Filler-${i}: ${'f'.repeat(1000)}`)
      const { status, reached } = await outcomeOf({ session: 'bob', lines })
      assert.ok(status >= 400, String(status)) // Caddy's own limit is 1 MB: behind Caddy, Authelia rejects them, which is a 502
      assert.equal(reached, 0)
      assert.equal((await outcomeOf({ session: 'bob' })).user, 'interop-bob')
    })

    test('120 concurrent requests are each authenticated as their own user', async () => {
      const names = ['bob', 'alice', 'crowded', undefined] as const
      const requests = Array.from({ length: 120 }, (_, i) => names[i % names.length])
      const outcomes = await Promise.all(
        requests.map((session) => sendRequest(proxy, session === undefined ? {} : { session })),
      )
      assert.deepEqual(
        outcomes.map(({ status, user }) => user ?? status),
        requests.map((session) => (session === undefined ? 401 : `interop-${session}`)),
      )
    })

    const faults: readonly (readonly [name: string, change: () => Promise<Partial<Backends>>])[] = [
      ['elastauth is down', async () => ({ elastauth: unreachable })],
      ['elastauth truncates its response', async () => ({ elastauth: await startTruncatingServer() })],
      ['Authelia is down', async () => ({ authelia: unreachable })],
      ['Authelia truncates its response', async () => ({ authelia: await startTruncatingServer() })],
      [
        'Elasticsearch is down',
        async () => {
          const node = { ...elasticsearch.node, url: `http://${unreachable}` }
          return { elastauth: await startElastauth(realProxy, node, proxySecret, cleanup) }
        },
      ],
      ['the application is down', async () => ({ kibana: unreachable })],
    ]
    for (const [name, change] of faults) {
      test(`while ${name}, a user gets a 5xx status and no request reaches the application`, async () => {
        const faulty = await startRealProxy(realProxy, { ...backends, ...(await change()) }, cleanup)
        const forged = ['Remote-User: interop-bob', `Authorization: Basic ${btoa('elastic:changeme')}`]
        const before = kibana.requests()
        const [user, anonymous] = await Promise.all([
          sendRequest(faulty, { session: 'bob', lines: forged }),
          sendRequest(faulty, { session: 'ended', lines: forged }),
        ])
        assert.ok(user.status >= 500, `${user.status}`)
        assert.ok(
          name.startsWith('Authelia') ? anonymous.status >= 500 : anonymous.status === 401,
          `${anonymous.status}`,
        )
        assert.equal(kibana.requests(), before)
      })
    }
  })
}

/** Headers between the proxy, elastauth and Elasticsearch, which the application must not receive. */
function isPrivateHeader(header: string): boolean {
  return /^(remote|es-sec|x-elastauth)/.test(header)
}
