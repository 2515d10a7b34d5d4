import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UserChangedError } from '../../../src/sessions/session.ts'
import { createReplicas, hour, minute } from './fixture.ts'

/** Ends alice's session, and looks for it twice: by then the end has been reported once. */
async function endAndFind(
  end: (bed: ReturnType<typeof createReplicas>) => Promise<unknown>,
  options: Parameters<typeof createReplicas>[1] = {},
) {
  const bed = createReplicas(1, options)
  const { sessions, login } = bed
  const id = await sessions.create(login)
  assert.ok(await sessions.find(id))
  await end(bed)
  const found = [await sessions.find(id), await sessions.find(id)]
  return { ...bed, found }
}

describe('the end of a session', () => {
  test('the end of a session is reported once, with its user, when the session is used again after the idle timeout', async () => {
    const { ends, found } = await endAndFind(({ clock }) => clock.advance(61 * minute), { graceMs: 8 * hour })
    assert.deepEqual(found, [undefined, undefined])
    assert.deepEqual(ends, [{ username: 'alice', reason: 'idle_timeout' }])
  })

  test('the end of a session is reported once when the session is used again after its lifetime', async () => {
    const timeouts = { idleTimeoutMs: 9 * hour, graceMs: 8 * hour }
    const { ends, found } = await endAndFind(({ clock }) => clock.advance(8 * hour), timeouts)
    assert.deepEqual(found, [undefined, undefined])
    assert.deepEqual(ends, [{ username: 'alice', reason: 'lifetime' }])
  })

  test('the end of a session is reported after the provider has rejected the refresh token', async () => {
    const { ends, found, refreshFailures } = await endAndFind(({ clock, provider }) => {
      provider.requestRefresh = async () => 'rejected'
      return clock.advance(5 * minute)
    })
    assert.deepEqual(found, [undefined, undefined])
    assert.deepEqual(ends, [{ username: 'alice', reason: 'refresh_rejected' }])
    assert.deepEqual(refreshFailures, [])
  })

  test('the end of a session is reported after a refresh whose claims give no identity, and after that failure', async () => {
    const { ends, found, refreshFailures } = await endAndFind(({ clock, provider, grant }) => {
      provider.requestRefresh = async () => ({ ...grant('r1'), claims: { groups: [] } })
      return clock.advance(5 * minute)
    })
    assert.deepEqual(found, [undefined, undefined])
    assert.deepEqual(ends, [{ username: 'alice', reason: 'claims_unusable' }])
    assert.equal(refreshFailures.length, 1)
  })

  test('the end of a session whose user has changed is reported as such, with the user and no failed refresh, also by a process that has not served it', async () => {
    const { sessions, createReplica, provider, login, ends, refreshFailures } = createReplicas(1)
    const id = await sessions.create(login)
    provider.identityError = new UserChangedError('alice')
    const restarted = createReplica()
    for (let i = 0; i < 2; i++) assert.equal(await restarted.find(id), undefined)
    assert.deepEqual(ends, [{ username: 'alice', reason: 'user_changed' }])
    assert.deepEqual(refreshFailures, [])
  })

  test('the end of a session is reported if its user signs in 50 more times', async () => {
    const { ends, found } = await endAndFind(async ({ sessions, login, clock }) => {
      for (let i = 0; i < 50; i++) {
        await clock.advance(1)
        await sessions.create(login)
      }
    })
    assert.deepEqual(found, [undefined, undefined])
    assert.deepEqual(ends, [{ username: 'alice', reason: 'too_many_sessions' }])
  })

  test('the end of each surplus session is reported once after 200 concurrent sign-ins at three replicas', async () => {
    const { replicas, login, ends } = createReplicas(3)
    await Promise.all(Array.from({ length: 200 }, (_, i) => replicas[i % 3]!.create(login)))
    assert.deepEqual(ends, Array(150).fill({ username: 'alice', reason: 'too_many_sessions' }))
  })
})

test('the end of a session is not reported for a sign-out, which is an event of its own, and for an invented id', async () => {
  const { sessions, login, ends } = createReplicas()
  const id = await sessions.create(login)
  await sessions.find(id)
  await sessions.revoke(id)
  assert.equal(await sessions.find(id), undefined)
  assert.equal(await sessions.find('A'.repeat(43)), undefined)
  assert.deepEqual(ends, [])
})

test('a failed refresh is reported with the user, and ends no session', async () => {
  const { ends, found, failedUsers } = await endAndFind(({ clock, provider }) => {
    provider.requestRefresh = () => Promise.reject(new Error('down'))
    return clock.advance(5 * minute)
  })
  assert.equal(found[0]?.username, 'alice')
  assert.deepEqual(ends, [])
  assert.deepEqual(failedUsers, ['alice'])
})
