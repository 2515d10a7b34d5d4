import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SharedStore } from '../../../../src/auth/credentials/shared-store.ts'

export type StoreUnderTest = Readonly<{
  store: SharedStore
  /** The changes that replicas were notified of so far: `<username> <state id>`. */
  notifications: () => Promise<readonly string[]>
  /** Lets that much time pass, in milliseconds. */
  pass: (milliseconds: number) => Promise<unknown>
}>

/** What every shared store must do. `create` returns an empty store that records notifications from then on. */
export function testSharedStore(create: () => Promise<StoreUnderTest> | StoreUnderTest, skip: string | false = false) {
  const ttlMs = 60_000
  const bob = { username: 'bob', ttlMs }
  const it = (name: string, body: (under: StoreUnderTest) => Promise<void>) =>
    test(name, { skip }, async () => body(await create()))

  it('a new shared store holds no value', async ({ store }) => {
    assert.equal(await store.get('bob'), '')
  })

  it('compareAndSet stores a value for an absent user without a notification', async ({ store, notifications }) => {
    await store.compareAndSet({ ...bob, expected: '', value: 'one', stateId: 'id-1' })
    assert.equal(await store.get('bob'), 'one')
    assert.deepEqual(await notifications(), [])
  })

  it('compareAndSet changes only the expected value, and notifies the replicas', async ({ store, notifications }) => {
    await store.compareAndSet({ ...bob, expected: '', value: 'one', stateId: 'id-1' })
    await store.compareAndSet({ ...bob, expected: 'other', value: 'two', stateId: 'id-2' })
    await store.compareAndSet({ ...bob, expected: '', value: 'two', stateId: 'id-2' })
    assert.equal(await store.get('bob'), 'one')
    await store.compareAndSet({ ...bob, expected: 'one', value: 'three', stateId: 'id-3' })
    assert.equal(await store.get('bob'), 'three')
    assert.deepEqual(await notifications(), ['bob id-3'])
  })

  it('acquireLock locks a user for one replica, until releaseLock stores the value and notifies the replicas', async ({
    store,
    notifications,
  }) => {
    assert.equal(await store.acquireLock({ ...bob, expected: '', token: 'a', force: false }), 'acquired')
    assert.equal(await store.get('bob'), '!a')
    assert.equal(await store.acquireLock({ ...bob, expected: '!a', token: 'b', force: false }), 'held')
    await store.compareAndSet({ ...bob, expected: '', value: 'late', stateId: 'id-0' })
    assert.equal(await store.get('bob'), '!a')
    await store.releaseLock({ ...bob, token: 'a', value: 'one', stateId: 'id-1', taintTtlMs: ttlMs })
    assert.equal(await store.get('bob'), 'one')
    assert.deepEqual(await notifications(), ['bob id-1'])
  })

  it('acquireLock returns changed if the stored value differs from the value that was read, and ignores a value that was not read', async ({
    store,
  }) => {
    await store.compareAndSet({ ...bob, expected: '', value: 'one', stateId: 'id-1' })
    assert.equal(await store.acquireLock({ ...bob, expected: '', token: 'a', force: false }), 'changed')
    assert.equal(await store.acquireLock({ ...bob, expected: undefined, token: 'a', force: false }), 'acquired')
  })

  it('a forced lock on a locked user taints the user for both writers', async ({ store, notifications }) => {
    await store.acquireLock({ ...bob, expected: '', token: 'a', force: false })
    assert.equal(await store.acquireLock({ ...bob, expected: '!a', token: 'b', force: true }), 'acquired')
    await store.releaseLock({ ...bob, token: 'b', value: 'two', stateId: 'id-2', taintTtlMs: ttlMs })
    assert.equal(await store.get('bob'), '?b.')
    await store.releaseLock({ ...bob, token: 'a', value: 'one', stateId: 'id-1', taintTtlMs: ttlMs })
    assert.equal(await store.get('bob'), '?a.')
    assert.deepEqual(await notifications(), ['bob ', 'bob '])
  })

  it('a tainted user can be locked by one replica at a time, and stays tainted', async ({ store }) => {
    await store.compareAndSet({ ...bob, expected: '', value: 'one', stateId: 'id-1' })
    await store.taint({ ...bob, prefix: 'on', token: 'd' })
    assert.equal(await store.get('bob'), '?d.')
    assert.equal(await store.acquireLock({ ...bob, expected: '?d.', token: 'a', force: false }), 'acquired')
    assert.equal(await store.acquireLock({ ...bob, expected: '?a', token: 'b', force: false }), 'held')
    await store.releaseLock({ ...bob, token: 'a', value: 'two', stateId: 'id-2', taintTtlMs: ttlMs })
    assert.equal(await store.get('bob'), '?a.')
  })

  it('a lock on a tainted user does not expire with the taint', async ({ store, pass }) => {
    await store.compareAndSet({ ...bob, expected: '', value: 'one', stateId: 'id-1' })
    await store.taint({ username: 'bob', prefix: 'on', token: 'd', ttlMs: 200 })
    // Forced, because on a slow machine the taint may have expired by now; the result is the same.
    assert.equal(await store.acquireLock({ ...bob, expected: '?d.', token: 'a', force: true }), 'acquired')
    await pass(300)
    assert.equal(await store.get('bob'), '?a')
  })

  it('releaseLock taints the user if it does not find its own lock', async ({ store, notifications }) => {
    await store.compareAndSet({ ...bob, expected: '', value: 'one', stateId: 'id-1' })
    await store.releaseLock({ ...bob, token: 'a', value: 'two', stateId: 'id-2', taintTtlMs: ttlMs })
    assert.equal(await store.get('bob'), '?a.')
    assert.deepEqual(await notifications(), ['bob '])
  })

  it('taint leaves absent values and values with another prefix alone', async ({ store, notifications }) => {
    await store.taint({ ...bob, prefix: '', token: 'd' })
    assert.equal(await store.get('bob'), '')
    await store.compareAndSet({ ...bob, expected: '', value: 'one', stateId: 'id-1' })
    await store.taint({ ...bob, prefix: 'two', token: 'd' })
    assert.equal(await store.get('bob'), 'one')
    assert.deepEqual(await notifications(), [])
  })

  it('users with similar names have separate values and locks', async ({ store }) => {
    await store.compareAndSet({ ...bob, expected: '', value: 'one', stateId: 'id-1' })
    assert.equal(await store.get('bo'), '')
    assert.equal(await store.get('BOB'), '')
    assert.equal(
      await store.acquireLock({ username: 'alice', expected: '', token: 'a', ttlMs, force: false }),
      'acquired',
    )
    assert.equal(await store.get('bob'), 'one')
  })
}
