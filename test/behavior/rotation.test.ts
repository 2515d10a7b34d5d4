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
/** A busy machine may need more time for so many passwords of a user. */
const minPasswords = 3
const random = createRandom(1)

/** Sends requests in a loop, and logs in with each credential at once. */
async function sendRequests(until: number, url: string, username: string, groups: () => string): Promise<string[]> {
  const passwords: string[] = []
  while (Date.now() < until || new Set(passwords).size < minPasswords) {
    const requestedGroups = groups()
    const response = await sendSubRequest(url, username, { 'Remote-Groups': requestedGroups })
    const authorization = response.headers.get('authorization')
    assert.equal(response.status, 200)
    const login = await logIn(authorization)
    assert.deepEqual([login.status, login.body.username], [200, username])
    passwords.push(parseBasic(authorization).password)
    await sleep(20)
  }
  return passwords
}

test('while passwords rotate under load on two replicas, one of which sends hashes and the other plain text, every issued credential is accepted', async () => {
  const until = Date.now() + loadMs
  const users: [username: string, groups: () => string][] = [
    ['steady', () => ''],
    ['steady-too', () => 'writers'],
    ['changing', () => (Math.floor(Date.now() / 700) % 2 === 0 ? 'writers' : 'readers')],
    ['changing-often', () => random.of(['writers', 'readers'])],
  ]
  const clients = users.map(([username, groups]) =>
    Promise.all(gateways.map(({ url }) => sendRequests(until, url, username, groups))),
  )
  for (const [i, both] of (await Promise.all(clients)).entries()) {
    const [first, second] = both.map((passwords) => [...new Set(passwords)])
    const shared = first!.filter((password) => second!.includes(password))
    const isShared = shared.length >= Math.min(first!.length, second!.length) - 1
    assert.ok(isShared, `the replicas agree on the passwords of ${users[i]![0]}`)
  }
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
