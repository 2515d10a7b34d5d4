import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../support/fuzz/random.ts'
import { parseBasic } from './credential.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const { elasticsearch, start, logIn } = await createFixture()
const flags = { 'cache.expiration': '2s', 'cache.rotation_pause': '1s' }
const env = { ELASTAUTH_GROUP_MAPPINGS: '{"writers":["editor"]}' }
const plainTextFlags = { ...flags, 'elasticsearch.password_hashing': 'server' }
/** The second one writes plain-text passwords, like a replica of an older release. */
const gateways = await Promise.all([start({ flags, env }), start({ flags: plainTextFlags, env })])
const loadMs = 10_000
/** The load continues until each client has seen this many passwords. */
const minPasswords = 3
const random = createRandom(1)

type User = readonly [username: string, groups: () => string]

/** Sends requests in a loop, and logs in with each credential at once. */
async function sendRequests(isOver: () => boolean, url: string, [username, groups]: User, passwords: Set<string>) {
  while (!isOver()) {
    const requestedGroups = groups()
    const response = await sendSubRequest(url, username, { 'Remote-Groups': requestedGroups })
    const authorization = response.headers.get('authorization')
    assert.equal(response.status, 200)
    const login = await logIn(authorization)
    assert.deepEqual([login.status, login.body.username], [200, username])
    passwords.add(parseBasic(authorization).password)
    await sleep(20)
  }
}

test('while passwords rotate under load on two replicas, one of which sends hashes and the other plain text, every issued credential is accepted', async ({
  signal,
}) => {
  const until = Date.now() + loadMs
  const users: User[] = [
    ['steady', () => ''],
    ['steady-too', () => 'writers'],
    ['changing', () => (Math.floor(Date.now() / 700) % 2 === 0 ? 'writers' : 'readers')],
    ['changing-often', () => random.of(['writers', 'readers'])],
  ]
  const loads = users.map(async (user) => {
    const [first, second] = [new Set<string>(), new Set<string>()]
    const isOver = () => signal.aborted || (Date.now() >= until && Math.min(first.size, second.size) >= minPasswords)
    await Promise.all([first, second].map((passwords, i) => sendRequests(isOver, gateways[i]!.url, user, passwords)))
    const shared = first.intersection(second)
    assert.ok(shared.size >= Math.min(first.size, second.size) - 1, `the replicas agree on the passwords of ${user[0]}`)
  })
  await Promise.all(loads)
  assert.equal(elasticsearch.counters.rejectedLogins, 0)
})

test('a request after a credential has expired gets a new credential after the rotation pause', async () => {
  const [{ url }] = gateways
  const before = (await sendSubRequest(url, 'resting')).headers.get('authorization')
  await sleep(2010)
  const after = (await sendSubRequest(url, 'resting')).headers.get('authorization')
  assert.notEqual(after, before)
  assert.deepEqual([(await logIn(after)).status, (await logIn(before)).status], [200, 401])
})
