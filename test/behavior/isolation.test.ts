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

type Credential = { status: number; authorization: string; username: string }

/** Sends a sub-request. `fetch` would be too slow for thousands. */
async function requestCredential(url: string, username: string, groups = ''): Promise<Credential> {
  const { promise, resolve, reject } = Promise.withResolvers<Credential>()
  const headers = { 'Remote-User': username, 'Remote-Groups': groups }
  get(url, { agent, headers }, async (response) => {
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk)
    const { username = '' } = JSON.parse(Buffer.concat(chunks).toString())
    resolve({ status: response.statusCode!, authorization: String(response.headers.authorization), username })
  }).on('error', reject)
  return promise
}

test('500 concurrent users with thousands of requests each get their own credential, and can log in with it', async () => {
  const random = createRandom(1)
  elasticsearch.faults.delay = () => random.below(30)
  const users = Array.from({ length: 500 }, (_, i) => `many-${i}`)
  const usernames = random.shuffled(Array.from({ length: 10 }, () => users).flat())
  const credentials = new Map<string, string>()
  await Promise.all(
    usernames.map(async (requested) => {
      const { status, authorization, username } = await requestCredential(gateway.url, requested)
      assert.equal(status, 200)
      assert.deepEqual([username, parseBasic(authorization).username], [requested, requested])
      assert.equal(credentials.get(requested) ?? authorization, authorization)
      credentials.set(requested, authorization)
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

test('1,000 concurrent requests of a new user cause one read and one write (single-flight)', async () => {
  const writes = elasticsearch.counters.writes
  const releaseWrites = elasticsearch.holdWrites()
  const responses = Promise.all(Array.from({ length: 1000 }, () => requestCredential(gateway.url, 'first')))
  await elasticsearch.whenHeld(1)
  releaseWrites()
  const authorizations = new Set((await responses).map(({ authorization }) => authorization))
  assert.equal(authorizations.size, 1)
  assert.equal(elasticsearch.counters.writes - writes, 1)
  assert.equal(elasticsearch.calls.filter(({ method, path }) => method === 'GET' && path.endsWith('/first')).length, 1)
  assert.equal((await logIn([...authorizations][0])).body.username, 'first')
})

test('three replicas that create the same user concurrently write the same password', async () => {
  const releaseWrites = elasticsearch.holdWrites()
  const responses = Promise.all([gateway, ...replicas].map(({ url }) => requestCredential(url, 'shared')))
  await elasticsearch.whenHeld(3)
  releaseWrites()
  const authorizations = new Set((await responses).map(({ authorization }) => authorization))
  assert.equal(authorizations.size, 1)
  assert.equal((await logIn([...authorizations][0])).status, 200)
})

test('a changed group takes effect with the first request that contains it, without a new password', async () => {
  const mapped = await start({ env: { ELASTAUTH_GROUP_MAPPINGS: '{"writers":["editor"]}' } })
  const before = await requestCredential(mapped.url, 'moving', 'writers')
  assert.deepEqual((await logIn(before.authorization)).body.roles, ['editor'])
  const during = await requestCredential(mapped.url, 'moving', 'readers')
  assert.deepEqual((await logIn(during.authorization)).body.roles, ['viewer'])
  assert.equal(during.authorization, before.authorization)
})
