import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { otherTargets, spellingsOf } from '../../conformance/spellings.ts'
import { useElasticsearch } from '../../support/elasticsearch/use-elasticsearch.ts'
import { type Ask, ask } from './ask.ts'
import { startAuthelia } from './authelia.ts'
import { startBroken } from './broken.ts'
import { cases } from './cases.ts'
import { startElastauth } from './elastauth.ts'
import { whyNotInstalled } from './installed.ts'
import { realProxies } from './interop.ts'
import { type Kibana, startKibana } from './kibana.ts'
import { type Backends, type Running, startRealProxy } from './proxy.ts'
import { sessions } from './sessions.ts'

const elasticsearch = await useElasticsearch()
const nowhere = '127.0.0.1:9'
const proxySecret = 'known-to-the-proxy-alone'

for (const neighbour of realProxies) {
  const missing = whyNotInstalled(neighbour)
  if (missing !== false && neighbour.isOptional) continue
  const skip = missing || elasticsearch.skip
  describe(`behind ${neighbour.name}, as its page in docs/deployment says`, { skip }, () => {
    const until = new AsyncDisposableStack()
    let kibana: Kibana
    let surroundings: Backends
    let proxy: Running

    before(async () => {
      kibana = await startKibana(elasticsearch.node, until)
      const elastauth = await startElastauth(neighbour, elasticsearch.node, proxySecret, until)
      surroundings = { authelia: await startAuthelia(sessions, until), elastauth, kibana: kibana.address, proxySecret }
      proxy = await startRealProxy(neighbour, surroundings, until)
    })
    after(() => until.disposeAsync())

    /** The answer and, besides, how often the service behind was asked. */
    async function outcomeOf(asked: Ask, through = proxy) {
      const before = kibana.requests()
      const outcome = await ask(through, asked)
      return { ...outcome, reached: kibana.requests() - before }
    }

    for (const [name, asked, expected] of cases) {
      test(name, async () => {
        const outcome = await outcomeOf(asked)
        const compared = Object.keys(expected) as (keyof typeof outcome)[]
        assert.deepEqual(Object.fromEntries(compared.map((key) => [key, outcome[key]])), expected, outcome.body)
        assert.equal(outcome.reached, expected.user === undefined ? 0 : 1)
        if (outcome.headers === undefined) return
        assert.equal(outcome.host, 'kibana.example.com')
        assert.deepEqual(outcome.headers.filter(isForUsAlone), [])
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
      test(`${target} hands no user a credential`, async () => {
        const { answered, body } = await outcomeOf({ session: 'bob', target })
        assert.deepEqual(
          answered.filter((header) => /^(authorization|remote|x-login)/.test(header)),
          [],
        )
        assert.doesNotMatch(body, /Authentication successful/)
      })
    }

    test('no spelling of a path below /elastauth hands a user a credential', async () => {
      for (const target of [...spellingsOf('elastauth'), ...otherTargets]) {
        // Some proxies close the connection on an invalid target.
        const outcome = await ask(proxy, { session: 'bob', target }).catch(() => undefined)
        assert.doesNotMatch(outcome?.body ?? '', /Authentication successful/, target)
        assert.ok(!outcome?.answered.includes('authorization'), target)
      }
      assert.equal((await outcomeOf({ session: 'bob' })).user, 'neighbour-bob')
    })

    test('a user whose Connection names the identity is that user or nobody', async () => {
      const { status, user } = await outcomeOf({ session: 'bob', lines: ['Connection: Remote-User, Remote-Groups'] })
      assert.ok((status === 200 && user === 'neighbour-bob') || status === 401 || status === 400, `${status} ${user}`)
    })

    test('100 kB of headers are too many, and no harm', async () => {
      const lines = Array.from({ length: 100 }, (_, i) => `X-Filler-${i}: ${'f'.repeat(1000)}`)
      const { status, reached } = await outcomeOf({ session: 'bob', lines })
      assert.ok(status >= 400, String(status)) // Caddy’s own limit is 1 MB: there it is Authelia’s, and a 502
      assert.equal(reached, 0)
      assert.equal((await outcomeOf({ session: 'bob' })).user, 'neighbour-bob')
    })

    test('users at the same time are each themselves', async () => {
      const names = ['bob', 'alice', 'crowded', undefined] as const
      const crowd = Array.from({ length: 120 }, (_, i) => names[i % names.length])
      const outcomes = await Promise.all(crowd.map((session) => ask(proxy, session === undefined ? {} : { session })))
      assert.deepEqual(
        outcomes.map(({ status, user }) => user ?? status),
        crowd.map((session) => (session === undefined ? 401 : `neighbour-${session}`)),
      )
    })

    const faults: readonly (readonly [name: string, change: () => Promise<Partial<Backends>>])[] = [
      ['elastauth is down', async () => ({ elastauth: nowhere })],
      ['elastauth breaks off', async () => ({ elastauth: await startBroken(until) })],
      ['Authelia is down', async () => ({ authelia: nowhere })],
      ['Authelia breaks off', async () => ({ authelia: await startBroken(until) })],
      [
        'Elasticsearch is down',
        async () => {
          const node = { ...elasticsearch.node, url: `http://${nowhere}` }
          return { elastauth: await startElastauth(neighbour, node, proxySecret, until) }
        },
      ],
      ['the service behind is down', async () => ({ kibana: nowhere })],
    ]
    for (const [name, change] of faults) {
      test(`while ${name} nobody is let in, and it is said to be a fault`, async () => {
        const broken = await startRealProxy(neighbour, { ...surroundings, ...(await change()) }, until)
        const claim = ['Remote-User: neighbour-bob', `Authorization: Basic ${btoa('elastic:changeme')}`]
        const before = kibana.requests()
        const [user, nobody] = await Promise.all([
          ask(broken, { session: 'bob', lines: claim }),
          ask(broken, { session: 'ended', lines: claim }),
        ])
        assert.ok(user.status >= 500, `${user.status}`)
        assert.ok(name.startsWith('Authelia') ? nobody.status >= 500 : nobody.status === 401, `${nobody.status}`)
        assert.equal(kibana.requests(), before)
      })
    }
  })
}

/** What no service behind has to know, or could misunderstand. */
function isForUsAlone(header: string): boolean {
  return /^(remote|es-sec|x-elastauth)/.test(header)
}
