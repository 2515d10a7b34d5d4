import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const { elasticsearch, elasticsearchUrl, start, logIn } = await createFixture()
const { faults } = elasticsearch
const gateway = await start({ flags: { 'elasticsearch.timeout': '1s', 'cache.revalidate': '1s' } })
let count = 0
const freshName = () => `user-${count++}`
const isUserWrite = ({ method }: { method: string }) => method === 'PUT'

afterEach(() =>
  Object.assign(faults, { response: 'normal', delay: 0, forbidPut: false, rejectHash: false, concerns: () => true }),
)

async function assertIsIn(response: Response, username: string): Promise<string> {
  assert.equal(response.status, 200)
  const authorization = response.headers.get('authorization')
  assert.equal((await logIn(authorization)).body.username, username)
  return authorization!
}

async function assertIsUnavailable(response: Response): Promise<void> {
  assert.equal(response.status, 503)
  assert.match(response.headers.get('retry-after') ?? '', /^\d+$/)
  assert.equal(response.headers.get('authorization'), null)
  const { error, message } = (await response.json()) as Record<string, string>
  assert.deepEqual([error, message], ['elasticsearch_unavailable', 'Elasticsearch is not available right now'])
}

const passing = ['hang', 'drop', 'unauthorized', 'unavailable', 'too_many_requests'] as const
for (const answer of passing) await sendSubRequest(gateway.url, answer)
await sleep(1000) // cache.revalidate: from now on these are checked, and a fault must not look like a changed password

for (const answer of passing) {
  test(`${answer}: a new user gets 503 with Retry-After, a cached one keeps working, and both are in afterwards`, async () => {
    const late = freshName()
    const writes = elasticsearch.counters.writes
    faults.response = answer
    await assertIsUnavailable(await sendSubRequest(gateway.url, late))
    const cached = await sendSubRequest(gateway.url, answer)
    assert.equal(cached.status, 200)
    await gateway.logged(({ message = '' }) => message.startsWith(`user ${answer}: cannot revalidate the credential: `))
    faults.response = 'normal'
    await assertIsIn(await sendSubRequest(gateway.url, late), late)
    const credential = await assertIsIn(await sendSubRequest(gateway.url, answer), answer)
    assert.equal(credential, cached.headers.get('authorization'))
    assert.equal(elasticsearch.counters.writes - writes, 1)
  })
}

test('an Elasticsearch that is down at the start is waited for', async () => {
  const later = createFakeElasticsearch()
  const url = await later.listen()
  const { port } = new URL(url)
  await later.close()
  const waiting = await start({ flags: { 'elasticsearch.hosts': url } })
  await waiting.logged(({ message = '' }) => message.startsWith('Elasticsearch: ') && message.includes('retrying'))
  await assertIsUnavailable(await sendSubRequest(waiting.url, 'bob'))
  await later.listen(Number(port))
  assert.equal((await sendSubRequest(waiting.url, 'bob')).status, 200)
  await waiting.logged(({ message = '' }) => message.startsWith('connected to Elasticsearch'))
  await later.close()
})

test('an answer that was lost after the user was written costs nobody their access', async () => {
  const username = freshName()
  faults.response = 'lose_response'
  faults.concerns = isUserWrite
  await assertIsUnavailable(await sendSubRequest(gateway.url, username))
  assert.ok(elasticsearch.users.has(username))
  faults.response = 'normal'
  const writes = elasticsearch.counters.writes
  await assertIsIn(await sendSubRequest(gateway.url, username), username)
  assert.equal(elasticsearch.counters.writes, writes)
})

test('a connection that is cut in the middle of a write is tried again', async () => {
  const username = freshName()
  faults.response = 'drop'
  let cuts = 1
  faults.concerns = (call) => isUserWrite(call) && cuts-- > 0
  await assertIsIn(await sendSubRequest(gateway.url, username), username)
})

test('without manage_security a new user gets 502, and the log names the privilege', async () => {
  const [known, late] = [freshName(), freshName()]
  await assertIsIn(await sendSubRequest(gateway.url, known), known)
  faults.forbidPut = true
  const refused = await sendSubRequest(gateway.url, late)
  assert.equal(refused.status, 502)
  assert.doesNotMatch(await refused.text(), /manage_security|privilege/)
  await assertIsIn(await sendSubRequest(gateway.url, known), known)
  const line = await gateway.logged((entry) => entry['error.code'] === 'elasticsearch_rejected')
  assert.match(line.message!, /granted by the cluster privileges \[manage_security/)
  assert.deepEqual([line['log.level'], line['user.name']], ['error', late])
})

test('an Elasticsearch that rejects our password hashes gets plain-text passwords from then on, with one warning', async () => {
  faults.rejectHash = true
  const { url, log } = await start({ flags: { enable_metrics: 'true' } })
  const writes = elasticsearch.calls.filter(isUserWrite).length
  const names = Array.from({ length: 5 }, freshName)
  for (const username of names) await assertIsIn(await sendSubRequest(url, username), username)
  assert.equal(elasticsearch.calls.filter(isUserWrite).length - writes, 6, 'one hash was sent')
  const warnings = log.filter((line) => line['event.action'] === 'password_hash_rejected')
  assert.deepEqual(
    warnings.map((line) => line['log.level']),
    ['warn'],
  )
  assert.match(warnings[0]!.message!, /rejects pbkdf2_1000 password hashes: The provided .*password_hashing: server/)
  const metrics = await (await fetch(`${url}/elastauth/metrics`)).text()
  assert.match(metrics, /^elastauth_password_hash_rejections_total 1$/m)
})

test('with password_hashing: server no hash is sent', async () => {
  faults.rejectHash = true
  const { url, log } = await start({ flags: { 'elasticsearch.password_hashing': 'server' } })
  const username = freshName()
  await assertIsIn(await sendSubRequest(url, username), username)
  assert.deepEqual(
    log.filter((line) => line['event.action'] === 'password_hash_rejected'),
    [],
  )
})

test('a service account without the privilege is told of at the start', async () => {
  elasticsearch.users.set('lowly', { ...elasticsearch.users.get('elastic')!, password: 'changeme', roles: ['viewer'] })
  const { logged } = await start({ env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'lowly' } })
  await logged(({ message = '' }) => /lowly lacks the cluster privilege manage_security/.test(message))
})

for (const [what, open] of Object.entries({ dead: openAndClose, silent: openSilent })) {
  test(`of two hosts the first may be ${what}`, async () => {
    const flags = { 'elasticsearch.hosts': `${await open()},${elasticsearchUrl}`, 'elasticsearch.timeout': '1s' }
    const { url } = await start({ flags })
    for (let i = 0; i < 4; i++) {
      const username = freshName()
      await assertIsIn(await sendSubRequest(url, username), username)
    }
  })
}

async function openAndClose(): Promise<string> {
  const closed = createFakeElasticsearch()
  const url = await closed.listen()
  await closed.close()
  return url
}

/** Accepts connections and never says a word. */
async function openSilent(): Promise<string> {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  silent.unref()
  return `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
}
