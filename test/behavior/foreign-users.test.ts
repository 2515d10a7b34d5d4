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
const change = (name: string, part: Partial<FakeUser>) => elasticsearch.users.set(name, { ...userOf(name), ...part })

async function refusal(url: string, username: string): Promise<[status: number, error: string | undefined]> {
  const response = await sendSubRequest(url, username)
  assert.equal(response.headers.get('authorization'), null)
  return [response.status, ((await response.json()) as { error?: string }).error]
}

test('a user that somebody else made is refused and left as it is', async () => {
  const before = structuredClone(userOf('alice'))
  assert.deepEqual(await refusal(gateway.url, 'alice'), [403, 'user_foreign'])
  assert.deepEqual(userOf('alice'), before)
  const line = await gateway.logged((entry) => entry['error.code'] === 'user_foreign')
  assert.match(line.message!, /adopt_existing_users/)
  assert.equal(line['user.name'], 'alice')
})

test('marks of ours that are not whole are somebody else’s', async () => {
  for (const elastauth of [
    {},
    'yes',
    { version: 1 },
    { created: '2026-11-23', version: 0, key_id: '', issued_at: 1, fingerprint: '' },
  ]) {
    change('anna', { metadata: { elastauth } })
    assert.deepEqual(await refusal(gateway.url, 'anna'), [403, 'user_foreign'])
  }
})

test('with adopt_existing_users it is taken over: our password, its roles mapped, its metadata kept', async () => {
  const response = await sendSubRequest(adopting.url, 'adopted', { 'Remote-Groups': 'readers' })
  const { status, body } = await logIn(response.headers.get('authorization'))
  assert.deepEqual([status, body.username, body.roles], [200, 'adopted', ['viewer']])
  assert.deepEqual([body.metadata.team, body.metadata.groups], ['blue', ['readers']])
  await adopting.logged((entry) => entry['event.action'] === 'user_taken_over')
})

test('a reserved user is refused, adopting or not, also one whose name we do not know', async () => {
  for (const { url } of [gateway, adopting]) {
    for (const name of ['elastic', 'kibana_system', 'shipped']) {
      assert.deepEqual(await refusal(url, name), [403, 'user_reserved'], name)
    }
  }
  assert.equal(userOf('shipped').password, 'reserved-one')
})

test('a disabled user is refused, is not enabled again, and is in once an administrator enables it', async () => {
  await sendSubRequest(gateway.url, 'dora')
  change('dora', { enabled: false })
  await untilNot(200, 'dora')
  assert.deepEqual(await refusal(gateway.url, 'dora'), [403, 'user_disabled'])
  assert.equal(userOf('dora').enabled, false)
  change('dora', { enabled: true })
  const response = await sendSubRequest(gateway.url, 'dora')
  assert.equal((await logIn(response.headers.get('authorization'))).body.username, 'dora')
})

test('a password that somebody changed is noticed, and healed with another one', async () => {
  const before = (await sendSubRequest(gateway.url, 'emil')).headers.get('authorization')
  change('emil', { password: 'changed-by-hand' })
  const after = await untilOther(before, 'emil')
  assert.equal((await logIn(after)).status, 200)
  assert.equal((await logIn(before)).status, 401)
})

test('a user that somebody deleted is made again', async () => {
  await sendSubRequest(gateway.url, 'frida')
  elasticsearch.users.delete('frida')
  while (!elasticsearch.users.has('frida')) {
    assert.equal((await sendSubRequest(gateway.url, 'frida')).status, 200)
    await sleep(20)
  }
  const response = await sendSubRequest(gateway.url, 'frida')
  assert.equal((await logIn(response.headers.get('authorization'))).status, 200)
})

/** Asks until the check in the background has seen the change; the runner's time limit ends what never comes. */
async function untilNot(status: number, username: string): Promise<void> {
  while ((await sendSubRequest(gateway.url, username)).status === status) await sleep(20)
}

async function untilOther(authorization: string | null, username: string): Promise<string> {
  for (;;) {
    const now = (await sendSubRequest(gateway.url, username)).headers.get('authorization')
    if (now !== null && now !== authorization) return now
    await sleep(20)
  }
}

test('nobody becomes our own service account, in whatever case, and it keeps its rights', async () => {
  elasticsearch.users.set('gateway', { ...userOf('alice'), password: 'service-password', roles: ['superuser'] })
  const { url } = await start({
    flags: { 'elasticsearch.adopt_existing_users': 'true' },
    env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'gateway', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'service-password' },
  })
  for (const name of ['gateway', 'Gateway']) assert.deepEqual(await refusal(url, name), [403, 'user_reserved'])
  assert.deepEqual([userOf('gateway').password, userOf('gateway').roles], ['service-password', ['superuser']])
  assert.equal((await sendSubRequest(url, 'somebody')).status, 200)
})
