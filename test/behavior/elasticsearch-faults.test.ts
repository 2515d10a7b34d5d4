import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import type { LogLine } from '../support/gateway.ts'
import { eventually } from '../support/wait.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const { elasticsearch, elasticsearchUrl, start, logIn } = await createFixture()
const { faults } = elasticsearch
const gateway = await start({ flags: { 'elasticsearch.timeout': '15s', 'cache.revalidate': '1s' } })
let count = 0
const newUsername = () => `user-${count++}`
const isUserWrite = ({ method }: { method: string }) => method === 'PUT'

afterEach(() =>
  Object.assign(faults, { response: 'normal', delay: 0, forbidPut: false, rejectHash: false, concerns: () => true }),
)

async function assertCanLogIn(response: Response, username: string): Promise<string> {
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

const transientFaults = ['hang', 'drop', 'unauthorized', 'unavailable', 'too_many_requests'] as const
for (const fault of transientFaults) await sendSubRequest(gateway.url, fault)
await sleep(1000) // cache.revalidate: these are checked from now on, and a fault must not be taken for a changed password

for (const fault of transientFaults) {
  test(`during the Elasticsearch fault ${fault}, a new user gets 503 with Retry-After and a cached user gets 200, and both get 200 afterwards`, async () => {
    const newUser = newUsername()
    const writes = elasticsearch.counters.writes
    faults.response = fault
    const rejected = sendSubRequest(gateway.url, newUser)
    const cached = await sendSubRequest(gateway.url, fault)
    assert.equal(cached.status, 200)
    await assertIsUnavailable(await rejected)
    await gateway.logged(({ message = '' }) => message.startsWith(`user ${fault}: cannot revalidate the credential: `))
    faults.response = 'normal'
    await assertCanLogIn(await sendSubRequest(gateway.url, newUser), newUser)
    const credential = await assertCanLogIn(await sendSubRequest(gateway.url, fault), fault)
    assert.equal(credential, cached.headers.get('authorization'))
    assert.equal(elasticsearch.counters.writes - writes, 1)
  })
}

test('a gateway that starts while Elasticsearch is down serves requests once it is available', async () => {
  const lateElasticsearch = createFakeElasticsearch()
  const url = await lateElasticsearch.listen()
  const { port } = new URL(url)
  await lateElasticsearch.close()
  const waiting = await start({ flags: { 'elasticsearch.hosts': url } })
  await waiting.logged(({ message = '' }) => message.startsWith('Elasticsearch: ') && message.includes('retrying'))
  await assertIsUnavailable(await sendSubRequest(waiting.url, 'bob'))
  await lateElasticsearch.listen(Number(port))
  assert.equal((await sendSubRequest(waiting.url, 'bob')).status, 200)
  await waiting.logged(({ message = '' }) => message.startsWith('connected to Elasticsearch'))
  await lateElasticsearch.close()
})

test('if the response to a successful user write is lost, the next request admits the user without another write', async () => {
  const username = newUsername()
  faults.response = 'lose_response'
  faults.concerns = isUserWrite
  await assertIsUnavailable(await sendSubRequest(gateway.url, username))
  assert.ok(elasticsearch.users.has(username))
  faults.response = 'normal'
  const writes = elasticsearch.counters.writes
  await assertCanLogIn(await sendSubRequest(gateway.url, username), username)
  assert.equal(elasticsearch.counters.writes, writes)
})

test('a write whose connection is reset is retried', async () => {
  const username = newUsername()
  faults.response = 'drop'
  let resets = 1
  faults.concerns = (call) => isUserWrite(call) && resets-- > 0
  await assertCanLogIn(await sendSubRequest(gateway.url, username), username)
})

test('a service account without manage_security causes 502 for a new user, and the log names the privilege', async () => {
  const [cachedUser, newUser] = [newUsername(), newUsername()]
  await assertCanLogIn(await sendSubRequest(gateway.url, cachedUser), cachedUser)
  faults.forbidPut = true
  const rejected = await sendSubRequest(gateway.url, newUser)
  assert.equal(rejected.status, 502)
  assert.doesNotMatch(await rejected.text(), /manage_security|privilege/)
  await assertCanLogIn(await sendSubRequest(gateway.url, cachedUser), cachedUser)
  const line = await gateway.logged((entry) => entry['error.code'] === 'elasticsearch_rejected')
  assert.match(line.message!, /granted by the cluster privileges \[manage_security/)
  assert.deepEqual([line['log.level'], line['user.name']], ['error', newUser])
})

test('an Elasticsearch that rejects password hashes gets plain-text passwords from then on, with one warning', async () => {
  faults.rejectHash = true
  const { url, log, logged } = await start({ flags: { enable_metrics: 'true' } })
  const writes = elasticsearch.calls.filter(isUserWrite).length
  const names = Array.from({ length: 5 }, newUsername)
  for (const username of names) await assertCanLogIn(await sendSubRequest(url, username), username)
  assert.equal(elasticsearch.calls.filter(isUserWrite).length - writes, 6, 'one hash was sent')
  const isWarning = (line: LogLine) => line['event.action'] === 'password_hash_rejected'
  await logged(isWarning)
  const warnings = log.filter(isWarning)
  assert.deepEqual(
    warnings.map((line) => line['log.level']),
    ['warn'],
  )
  assert.match(warnings[0]!.message!, /rejects pbkdf2_1000 password hashes: The provided .*password_hashing: server/)
  const metrics = await (await fetch(`${url}/elastauth/metrics`)).text()
  assert.match(metrics, /^elastauth_password_hash_rejections_total 1$/m)
})

test('with password_hashing: server, no password hash is sent to Elasticsearch', async () => {
  faults.rejectHash = true
  const { url, log } = await start({ flags: { 'elasticsearch.password_hashing': 'server' } })
  const username = newUsername()
  await assertCanLogIn(await sendSubRequest(url, username), username)
  assert.deepEqual(
    log.filter((line) => line['event.action'] === 'password_hash_rejected'),
    [],
  )
})

test('a service account without manage_security is reported at startup', async () => {
  elasticsearch.users.set('lowly', { ...elasticsearch.users.get('elastic')!, password: 'changeme', roles: ['viewer'] })
  const { logged } = await start({ env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'lowly' } })
  await logged(({ message = '' }) => /lowly lacks the cluster privilege manage_security/.test(message))
})

for (const [fault, open] of Object.entries({ down: listenAndClose, unresponsive: listenWithoutResponding })) {
  test(`requests succeed if the first of two Elasticsearch hosts is ${fault}`, async () => {
    const flags = { 'elasticsearch.hosts': `${await open()},${elasticsearchUrl}`, 'elasticsearch.timeout': '30s' }
    const { url } = await start({ flags })
    for (let i = 0; i < 4; i++) {
      const username = newUsername()
      await assertCanLogIn(await sendSubRequest(url, username), username)
    }
  })
}

async function listenAndClose(): Promise<string> {
  const closed = createFakeElasticsearch()
  const url = await closed.listen()
  await closed.close()
  return url
}

/** Accepts connections and never responds. */
async function listenWithoutResponding(): Promise<string> {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a new user signs in while the background checks of 40 cached users hang', async () => {
  const patient = await start({ flags: { 'elasticsearch.timeout': '1m', 'cache.revalidate': '1s' } })
  const users = Array.from({ length: 40 }, newUsername)
  for (const user of users) await sendSubRequest(patient.url, user)
  await sleep(1000) // cache.revalidate
  faults.response = 'hang'
  faults.concerns = ({ path }) => path === '/_security/_authenticate'
  const before = elasticsearch.calls.length
  const checks = () => elasticsearch.calls.slice(before).filter(faults.concerns).length
  for (const user of users) assert.equal((await sendSubRequest(patient.url, user)).status, 200)
  await eventually(
    async () => checks(),
    (count) => count > 0,
  )
  assert.equal((await sendSubRequest(patient.url, newUsername())).status, 200)
  assert.ok(checks() <= 4, `${checks()} checks`)
})
