import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeUser } from '../support/fake-elasticsearch/accounts.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const foreign = { password: 'set-by-an-admin', roles: ['superuser'], metadata: { team: 'blue' } }
const { elasticsearch, start, logIn } = await createFixture({
  accounts: {
    alice: foreign,
    anna: foreign,
    adopted: foreign,
    shipped: { password: 'reserved-one', metadata: { _reserved: true } },
  },
})
const [gateway, adopting] = await Promise.all([
  start({ flags: { 'cache.revalidate': '1s' } }),
  start({ flags: { 'elasticsearch.adopt_existing_users': 'true' } }),
])
const userOf = (name: string): FakeUser => elasticsearch.users.get(name)!
const change = (name: string, changes: Partial<FakeUser>) =>
  elasticsearch.users.set(name, { ...userOf(name), ...changes })

async function rejectionOf(url: string, username: string): Promise<[status: number, error: string | undefined]> {
  const response = await sendSubRequest(url, username)
  assert.equal(response.headers.get('authorization'), null)
  return [response.status, ((await response.json()) as { error?: string }).error]
}

test('a user that elastauth did not create is rejected and not written', async () => {
  const before = structuredClone(userOf('alice'))
  assert.deepEqual(await rejectionOf(gateway.url, 'alice'), [403, 'user_foreign'])
  assert.deepEqual(userOf('alice'), before)
  const line = await gateway.logged((entry) => entry['error.code'] === 'user_foreign')
  assert.match(line.message!, /adopt_existing_users/)
  assert.equal(line['user.name'], 'alice')
})

test('a user with incomplete metadata.elastauth is rejected like a user that elastauth did not create', async () => {
  for (const elastauth of [
    {},
    'yes',
    { version: 1 },
    { created: '2026-11-23', version: 0, key_id: '', issued_at: 1, fingerprint: '' },
  ]) {
    change('anna', { metadata: { elastauth } })
    assert.deepEqual(await rejectionOf(gateway.url, 'anna'), [403, 'user_foreign'])
  }
})

test("adopt_existing_users takes over an existing user with a derived password and mapped roles, and keeps the user's other metadata", async () => {
  const response = await sendSubRequest(adopting.url, 'adopted', { 'Remote-Groups': 'readers' })
  const { status, body } = await logIn(response.headers.get('authorization'))
  assert.deepEqual([status, body.username, body.roles], [200, 'adopted', ['viewer']])
  assert.deepEqual([body.metadata.team, body.metadata.groups], ['blue', ['readers']])
  await adopting.logged((entry) => entry['event.action'] === 'user_taken_over')
})

test('a reserved user, recognized by name or metadata, is rejected with and without adopt_existing_users', async () => {
  for (const { url } of [gateway, adopting]) {
    for (const name of ['elastic', 'kibana_system', 'shipped']) {
      assert.deepEqual(await rejectionOf(url, name), [403, 'user_reserved'], name)
    }
  }
  assert.equal(userOf('shipped').password, 'reserved-one')
})

test('a disabled user is rejected and not enabled, and admitted once an administrator enables the user', async () => {
  await sendSubRequest(gateway.url, 'dora')
  change('dora', { enabled: false })
  await waitWhileStatus(200, 'dora')
  assert.deepEqual(await rejectionOf(gateway.url, 'dora'), [403, 'user_disabled'])
  assert.equal(userOf('dora').enabled, false)
  change('dora', { enabled: true })
  const response = await sendSubRequest(gateway.url, 'dora')
  assert.equal((await logIn(response.headers.get('authorization'))).body.username, 'dora')
})

test('a password that was changed in Elasticsearch is replaced by a new password', async () => {
  const before = (await sendSubRequest(gateway.url, 'emil')).headers.get('authorization')
  change('emil', { password: 'changed-by-hand' })
  const after = await waitForOtherCredential(before, 'emil')
  assert.equal((await logIn(after)).status, 200)
  assert.equal((await logIn(before)).status, 401)
})

test('a user that was deleted in Elasticsearch is recreated', async () => {
  await sendSubRequest(gateway.url, 'frida')
  elasticsearch.users.delete('frida')
  while (!elasticsearch.users.has('frida')) {
    assert.equal((await sendSubRequest(gateway.url, 'frida')).status, 200)
    await sleep(20)
  }
  const response = await sendSubRequest(gateway.url, 'frida')
  assert.equal((await logIn(response.headers.get('authorization'))).status, 200)
})

/** Sends requests until the background check has detected the change. */
async function waitWhileStatus(status: number, username: string): Promise<void> {
  while ((await sendSubRequest(gateway.url, username)).status === status) await sleep(20)
}

async function waitForOtherCredential(authorization: string | null, username: string): Promise<string> {
  for (;;) {
    const current = (await sendSubRequest(gateway.url, username)).headers.get('authorization')
    if (current !== null && current !== authorization) return current
    await sleep(20)
  }
}

test("a user with the service account's name, in any letter case, is rejected, and the account keeps its roles", async () => {
  elasticsearch.users.set('gateway', { ...userOf('alice'), password: 'service-password', roles: ['superuser'] })
  const { url } = await start({
    flags: { 'elasticsearch.adopt_existing_users': 'true' },
    env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'gateway', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'service-password' },
  })
  for (const name of ['gateway', 'Gateway']) assert.deepEqual(await rejectionOf(url, name), [403, 'user_reserved'])
  assert.deepEqual([userOf('gateway').password, userOf('gateway').roles], ['service-password', ['superuser']])
  assert.equal((await sendSubRequest(url, 'other')).status, 200)
})
