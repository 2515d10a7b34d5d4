import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionEvent, SessionStore } from '../../../src/sessions/store.ts'

export type SessionStoreUnderTest = Readonly<{
  store: SessionStore
  /** Lets time pass. */
  advance: (milliseconds: number) => Promise<void>
  /** The messages to other replicas since the test began; undefined for a store that replicas cannot share. */
  receivedEvents: (() => Promise<readonly SessionEvent[]>) | undefined
}>

/** The contract of every session store. `create` returns an empty store. */
export function testSessionStore(create: () => Promise<SessionStoreUnderTest>, skip: string | false = false) {
  const ttlMs = 60_000
  const it = (name: string, body: (underTest: SessionStoreUnderTest) => Promise<void>) =>
    test(name, { skip }, async () => body(await create()))

  it('the session store is empty at first, and no operation on a missing session creates a session', async ({
    store,
  }) => {
    assert.equal(await store.get('a'), undefined)
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'owner-1' }), 'gone')
    assert.equal(await store.completeRefresh('a', { owner: 'owner-1', value: 'two', ttlMs }), false)
    assert.equal(await store.delete('a'), false)
    await store.touch('a', ttlMs)
    await store.unlockRefresh('a', 'owner-1')
    assert.equal(await store.get('a'), undefined)
  })

  it('the session store keeps each session under its key until the session expires', async ({ store, advance }) => {
    await store.put('a', { value: 'one', ttlMs })
    await store.put('b', { value: 'two', ttlMs })
    assert.deepEqual([await store.get('a'), await store.get('b')], ['one', 'two'])
    await store.put('a', { value: 'one', ttlMs: 200 })
    await advance(250)
    assert.deepEqual([await store.get('a'), await store.get('b')], [undefined, 'two'])
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'owner-1' }), 'gone')
  })

  it('touching a session in the store extends its expiry', async ({ store, advance }) => {
    // Again if a busy machine has touched it too late.
    do {
      await store.put('a', { value: 'one', ttlMs: 1500 })
      await store.touch('a', ttlMs)
    } while ((await store.get('a')) === undefined)
    await advance(1600)
    assert.equal(await store.get('a'), 'one')
  })

  it('the session store grants the refresh lock to one owner at a time', async ({ store }) => {
    await store.put('a', { value: 'one', ttlMs })
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'owner-1' }), 'acquired')
    assert.deepEqual(await store.lockRefresh('a', { value: 'one', owner: 'owner-2' }), { heldBy: 'owner-1' })
    assert.equal(await store.get('a'), 'one')
  })

  it('the session store grants the refresh lock to one of 20 concurrent requests', async ({ store }) => {
    await store.put('a', { value: 'one', ttlMs })
    const locks = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.lockRefresh('a', { value: 'one', owner: `c${i}` })),
    )
    assert.equal(locks.filter((lock) => lock === 'acquired').length, 1)
  })

  it('the session store does not release the refresh lock after a time', async ({ store, advance }) => {
    await store.put('a', { value: 'one', ttlMs })
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    await advance(300)
    assert.deepEqual(await store.lockRefresh('a', { value: 'one', owner: 'owner-2' }), { heldBy: 'owner-1' })
  })

  it("the session store replaces an abandoned refresh lock only if the request names the lock's owner", async ({
    store,
  }) => {
    await store.put('a', { value: 'one', ttlMs })
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    assert.deepEqual(await store.lockRefresh('a', { value: 'one', owner: 'owner-2', replaces: 'owner-3' }), {
      heldBy: 'owner-1',
    })
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'owner-2', replaces: 'owner-1' }), 'acquired')
    assert.equal(await store.completeRefresh('a', { owner: 'owner-1', value: 'two', ttlMs }), false)
    assert.equal(await store.completeRefresh('a', { owner: 'owner-2', value: 'three', ttlMs }), true)
  })

  it('the session store grants no refresh lock for a value other than the stored value', async ({ store }) => {
    await store.put('a', { value: 'one', ttlMs })
    assert.equal(await store.lockRefresh('a', { value: 'other', owner: 'owner-1' }), 'changed')
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'owner-1' }), 'acquired')
  })

  it('the session store lets the owner of the refresh lock store a new value, which releases the lock', async ({
    store,
    receivedEvents,
  }) => {
    await store.put('a', { value: 'one', ttlMs })
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    assert.equal(await store.completeRefresh('a', { owner: 'owner-1', value: 'two', ttlMs }), true)
    assert.equal(await store.get('a'), 'two')
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'owner-2' }), 'changed')
    assert.equal(await store.lockRefresh('a', { value: 'two', owner: 'owner-2' }), 'acquired')
    if (receivedEvents) assert.deepEqual(await receivedEvents(), [{ key: 'a', type: 'changed', by: 'owner-1' }])
  })

  it('the session store accepts the same refresh result twice, and no other result', async ({ store }) => {
    await store.put('a', { value: 'one', ttlMs })
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    await store.completeRefresh('a', { owner: 'owner-1', value: 'two', ttlMs })
    assert.equal(await store.completeRefresh('a', { owner: 'owner-1', value: 'two', ttlMs }), true)
    assert.equal(await store.completeRefresh('a', { owner: 'owner-1', value: 'three', ttlMs }), false)
    assert.equal(await store.get('a'), 'two')
  })

  it('the session store accepts a refresh result only from the owner of the lock', async ({ store }) => {
    await store.put('a', { value: 'one', ttlMs })
    assert.equal(await store.completeRefresh('a', { owner: 'owner-2', value: 'two', ttlMs }), false)
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    assert.equal(await store.completeRefresh('a', { owner: 'owner-2', value: 'two', ttlMs }), false)
    assert.equal(await store.get('a'), 'one')
  })

  it('the session store releases the refresh lock for its owner only', async ({ store }) => {
    await store.put('a', { value: 'one', ttlMs })
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    await store.unlockRefresh('a', 'owner-2')
    assert.deepEqual(await store.lockRefresh('a', { value: 'one', owner: 'owner-2' }), { heldBy: 'owner-1' })
    await store.unlockRefresh('a', 'owner-1')
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'owner-2' }), 'acquired')
  })

  it('the session store does not restore a deleted session when its refresh completes late', async ({
    store,
    receivedEvents,
  }) => {
    await store.put('a', { value: 'one', ttlMs })
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    assert.equal(await store.delete('a'), true)
    assert.equal(await store.completeRefresh('a', { owner: 'owner-1', value: 'two', ttlMs }), false)
    assert.equal(await store.get('a'), undefined)
    if (receivedEvents) assert.deepEqual(await receivedEvents(), [{ key: 'a', type: 'ended', by: '' }])
  })

  it('the session store has no refresh lock for a session that is stored again', async ({ store }) => {
    await store.put('a', { value: 'one', ttlMs })
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    await store.put('a', { value: 'two', ttlMs })
    assert.equal(await store.lockRefresh('a', { value: 'two', owner: 'owner-2' }), 'acquired')
  })

  it('the session store lists the sessions of each index until the sessions expire', async ({ store, advance }) => {
    assert.deepEqual(await store.listIndex('alice'), [])
    await store.addToIndex('alice', { key: 'a', ttlMs })
    await store.addToIndex('alice', { key: 'b', ttlMs })
    await store.addToIndex('alice', { key: 'b', ttlMs })
    await store.addToIndex('bob', { key: 'c', ttlMs })
    assert.deepEqual([...(await store.listIndex('alice'))].sort(), ['a', 'b'])
    await store.addToIndex('alice', { key: 'd', ttlMs: 100 })
    await advance(150)
    assert.deepEqual([...(await store.listIndex('alice'))].sort(), ['a', 'b'])
  })

  it('the session store returns the size of an index without expired sessions', async ({ store, advance }) => {
    assert.equal(await store.addToIndex('alice', { key: 'a', ttlMs }), 1)
    assert.equal(await store.addToIndex('alice', { key: 'a', ttlMs }), 1)
    assert.equal(await store.addToIndex('bob', { key: 'c', ttlMs }), 1)
    assert.equal(await store.addToIndex('alice', { key: 'b', ttlMs: 200 }), 2)
    await advance(250)
    assert.equal(await store.addToIndex('alice', { key: 'd', ttlMs }), 2)
  })

  it('the session store returns the size of an index for each of 100 concurrent additions', async ({ store }) => {
    const counts = await Promise.all(
      Array.from({ length: 100 }, (_, i) => store.addToIndex('alice', { key: `k${i}`, ttlMs })),
    )
    assert.deepEqual(
      counts.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i + 1),
    )
  })

  it('the session store lists the oldest session of an index first, and does not move a session that is added again', async ({
    store,
    advance,
  }) => {
    for (const key of ['c', 'b', 'a', 'c']) {
      await store.addToIndex('alice', { key, ttlMs })
      await advance(2)
    }
    assert.deepEqual(await store.listIndex('alice'), ['c', 'b', 'a'])
  })

  it('the session store removes sessions from an index, and keeps other entries and the sessions themselves', async ({
    store,
  }) => {
    for (const key of ['a', 'b', 'c']) await store.addToIndex('alice', { key, ttlMs })
    await store.put('a', { value: 'one', ttlMs })
    await store.removeFromIndex('alice', ['a', 'c', 'none'])
    await store.removeFromIndex('alice', [])
    await store.removeFromIndex('unknown', ['a'])
    assert.deepEqual(await store.listIndex('alice'), ['b'])
    assert.equal(await store.get('a'), 'one')
  })

  it('the session store says whether a session exists, until the session expires', async ({ store, advance }) => {
    assert.equal(await store.has('a'), false)
    await store.put('a', { value: 'one', ttlMs })
    assert.equal(await store.has('a'), true)
    await store.put('a', { value: 'one', ttlMs: 200 })
    await advance(250)
    assert.equal(await store.has('a'), false)
  })

  it('the session store keeps the description of a session, and when it was used, until the session ends', async ({
    store,
    advance,
  }) => {
    assert.equal(await store.readDetails('a'), undefined)
    await store.setDescription('a', 'no session')
    await store.touch('a', ttlMs)
    assert.equal(await store.readDetails('a'), undefined)
    await store.put('a', { value: 'one', ttlMs, description: 'first' })
    assert.deepEqual(await store.readDetails('a'), { description: 'first', usedAt: undefined })
    await advance(1)
    await store.touch('a', ttlMs)
    const { usedAt } = (await store.readDetails('a'))!
    assert.ok(usedAt !== undefined && usedAt > 1_700_000_000_000, `${usedAt}`)
    await store.lockRefresh('a', { value: 'one', owner: 'owner-1' })
    await store.completeRefresh('a', { owner: 'owner-1', value: 'two', ttlMs })
    assert.deepEqual(await store.readDetails('a'), { description: 'first', usedAt })
    await store.setDescription('a', 'second')
    assert.deepEqual(await store.readDetails('a'), { description: 'second', usedAt })
    assert.equal(await store.get('a'), 'two')
    await store.put('a', { value: 'three', ttlMs }) // as an older release does
    assert.deepEqual(await store.readDetails('a'), { description: undefined, usedAt: undefined })
    await store.delete('a')
    assert.equal(await store.readDetails('a'), undefined)
  })

  it('the session store accepts a name once until the name expires', async ({ store, advance }) => {
    assert.equal(await store.wasUsed('jti'), false)
    assert.equal(await store.useOnce('jti', ttlMs), true)
    assert.equal(await store.useOnce('jti', ttlMs), false)
    assert.equal(await store.wasUsed('jti'), true)
    assert.equal(await store.useOnce('other', 200), true)
    await advance(250)
    assert.deepEqual([await store.wasUsed('jti'), await store.wasUsed('other')], [true, false])
    assert.equal(await store.useOnce('other', ttlMs), true)
    assert.equal(await store.useOnce('jti', ttlMs), false)
  })

  it('the session store keeps a value of 96 KiB unchanged', async ({ store }) => {
    const large = 'x'.repeat(96 * 1024)
    await store.put('a', { value: large, ttlMs })
    assert.equal(await store.get('a'), large)
    assert.equal(await store.lockRefresh('a', { value: large, owner: 'owner-1' }), 'acquired')
  })
}
