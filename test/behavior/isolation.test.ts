import assert from 'node:assert/strict'
import { Agent, get } from 'node:http'
import { after, test } from 'node:test'
import { createRandom } from '../support/fuzz/random.ts'
import { parseBasic } from './credential.ts'
import { createFixture } from './fixture.ts'

const { elasticsearch, start, logIn } = await createFixture()
const [gateway, ...replicas] = await Promise.all([start(), start(), start()])
const agent = new Agent({ keepAlive: true, maxSockets: 200 })
after(() => agent.destroy())

type Answer = { status: number; authorization: string; username: string }

/** `fetch` is too slow for thousands. */
async function ask(url: string, username: string, groups = ''): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const headers = { 'Remote-User': username, 'Remote-Groups': groups }
  get(url, { agent, headers }, async (response) => {
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk)
    const { username = '' } = JSON.parse(Buffer.concat(chunks).toString())
    resolve({ status: response.statusCode!, authorization: String(response.headers.authorization), username })
  }).on('error', reject)
  return promise
}

test('500 users at once, thousands of requests: everybody gets their own credential, and it logs in', async () => {
  const random = createRandom(1)
  elasticsearch.faults.delay = () => random.below(30)
  const users = Array.from({ length: 500 }, (_, i) => `many-${i}`)
  const questions = random.shuffled(Array.from({ length: 10 }, () => users).flat())
  const credentials = new Map<string, string>()
  await Promise.all(
    questions.map(async (asked) => {
      const { status, authorization, username } = await ask(gateway.url, asked)
      assert.equal(status, 200)
      assert.deepEqual([username, parseBasic(authorization).username], [asked, asked])
      assert.equal(credentials.get(asked) ?? authorization, authorization)
      credentials.set(asked, authorization)
    }),
  )
  elasticsearch.faults.delay = 0
  assert.equal(new Set(credentials.values()).size, users.length)
  assert.equal(elasticsearch.counters.writes, users.length)
  for (const [username, authorization] of credentials) {
    const { status, body } = await logIn(authorization)
    assert.deepEqual([status, body.username], [200, username])
  }
})

test('1,000 first requests of one user at once are one read and one write', async () => {
  const writes = elasticsearch.counters.writes
  const letThrough = elasticsearch.holdWrites()
  const answers = Promise.all(Array.from({ length: 1000 }, () => ask(gateway.url, 'first')))
  await elasticsearch.whenHeld(1)
  letThrough()
  const authorizations = new Set((await answers).map(({ authorization }) => authorization))
  assert.equal(authorizations.size, 1)
  assert.equal(elasticsearch.counters.writes - writes, 1)
  assert.equal(elasticsearch.calls.filter(({ method, path }) => method === 'GET' && path.endsWith('/first')).length, 1)
  assert.equal((await logIn([...authorizations][0])).body.username, 'first')
})

test('three replicas that create one user at the same moment write the same password', async () => {
  const letThrough = elasticsearch.holdWrites()
  const answers = Promise.all([gateway, ...replicas].map(({ url }) => ask(url, 'shared')))
  await elasticsearch.whenHeld(3)
  letThrough()
  const authorizations = new Set((await answers).map(({ authorization }) => authorization))
  assert.equal(authorizations.size, 1)
  assert.equal((await logIn([...authorizations][0])).status, 200)
})

test('a changed group holds with the very request that brings it, and the password stays', async () => {
  const mapped = await start({ env: { ELASTAUTH_GROUP_MAPPINGS: '{"writers":["editor"]}' } })
  const before = await ask(mapped.url, 'moving', 'writers')
  assert.deepEqual((await logIn(before.authorization)).body.roles, ['editor'])
  const during = await ask(mapped.url, 'moving', 'readers')
  assert.deepEqual((await logIn(during.authorization)).body.roles, ['viewer'])
  assert.equal(during.authorization, before.authorization)
})
