import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionEvent, SessionStore } from '../../src/sessions/store.ts'

export type SessionStoreUnderTest = Readonly<{
  store: SessionStore
  /** Lets time pass, in milliseconds. */
  advance: (milliseconds: number) => Promise<void>
  /** What replicas were told since the beginning; undefined where there is only one. */
  receivedEvents: (() => Promise<readonly SessionEvent[]>) | undefined
}>

/** What every store of sessions must do. `create` gives an empty one. */
export function testSessionStore(create: () => Promise<SessionStoreUnderTest>, skip: string | false = false) {
  const ttlMs = 60_000
  const it = (name: string, body: (under: SessionStoreUnderTest) => Promise<void>) =>
    test(name, { skip }, async () => body(await create()))

  it('holds nothing at first', async ({ store }) => {
    assert.equal(await store.get('a'), undefined)
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'me' }), 'gone')
    assert.equal(await store.completeRefresh('a', { owner: 'me', value: 'two', ttlMs }), false)
    assert.equal(await store.delete('a'), false)
    await store.touch('a', ttlMs)
    await store.unlockRefresh('a', 'me')
    assert.equal(await store.get('a'), undefined)
  })

  it('keeps what was put, each under its key, for its ttlMs', async ({ store, advance }) => {
    await store.put('a', 'one', ttlMs)
    await store.put('b', 'two', ttlMs)
    assert.deepEqual([await store.get('a'), await store.get('b')], ['one', 'two'])
    await store.put('a', 'one', 200)
    await advance(250)
    assert.deepEqual([await store.get('a'), await store.get('b')], [undefined, 'two'])
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'me' }), 'gone')
  })

  it('what is touched lives on', async ({ store, advance }) => {
    await store.put('a', 'one', 1500) // time for a busy machine to touch it
    await store.touch('a', ttlMs)
    await advance(1600)
    assert.equal(await store.get('a'), 'one')
  })

  it('one claimant at a time', async ({ store }) => {
    await store.put('a', 'one', ttlMs)
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'me' }), 'acquired')
    assert.deepEqual(await store.lockRefresh('a', { value: 'one', owner: 'you' }), { heldBy: 'me' })
    assert.equal(await store.get('a'), 'one')
  })

  it('of many claims at the same moment one is granted', async ({ store }) => {
    await store.put('a', 'one', ttlMs)
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.lockRefresh('a', { value: 'one', owner: `c${i}` })),
    )
    assert.equal(claims.filter((claim) => claim === 'acquired').length, 1)
  })

  it('a claim has no end of its own', async ({ store, advance }) => {
    await store.put('a', 'one', ttlMs)
    await store.lockRefresh('a', { value: 'one', owner: 'me' })
    await advance(300)
    assert.deepEqual(await store.lockRefresh('a', { value: 'one', owner: 'you' }), { heldBy: 'me' })
  })

  it('a claim in place of one that is given up, and of no other', async ({ store }) => {
    await store.put('a', 'one', ttlMs)
    await store.lockRefresh('a', { value: 'one', owner: 'me' })
    assert.deepEqual(await store.lockRefresh('a', { value: 'one', owner: 'you', replaces: 'another' }), {
      heldBy: 'me',
    })
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'you', replaces: 'me' }), 'acquired')
    assert.equal(await store.completeRefresh('a', { owner: 'me', value: 'two', ttlMs }), false)
    assert.equal(await store.completeRefresh('a', { owner: 'you', value: 'three', ttlMs }), true)
  })

  it('no claim for whoever has not seen what stands there', async ({ store }) => {
    await store.put('a', 'one', ttlMs)
    assert.equal(await store.lockRefresh('a', { value: 'other', owner: 'me' }), 'changed')
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'me' }), 'acquired')
  })

  it('the claimant puts what it got, and the next one may claim', async ({ store, receivedEvents }) => {
    await store.put('a', 'one', ttlMs)
    await store.lockRefresh('a', { value: 'one', owner: 'me' })
    assert.equal(await store.completeRefresh('a', { owner: 'me', value: 'two', ttlMs }), true)
    assert.equal(await store.get('a'), 'two')
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'you' }), 'changed')
    assert.equal(await store.lockRefresh('a', { value: 'two', owner: 'you' }), 'acquired')
    if (receivedEvents) assert.deepEqual(await receivedEvents(), [{ key: 'a', type: 'changed', by: 'me' }])
  })

  it('whoever did not hear that it was put may put it again', async ({ store }) => {
    await store.put('a', 'one', ttlMs)
    await store.lockRefresh('a', { value: 'one', owner: 'me' })
    await store.completeRefresh('a', { owner: 'me', value: 'two', ttlMs })
    assert.equal(await store.completeRefresh('a', { owner: 'me', value: 'two', ttlMs }), true)
    assert.equal(await store.completeRefresh('a', { owner: 'me', value: 'three', ttlMs }), false)
    assert.equal(await store.get('a'), 'two')
  })

  it('nobody else puts anything', async ({ store }) => {
    await store.put('a', 'one', ttlMs)
    assert.equal(await store.completeRefresh('a', { owner: 'you', value: 'two', ttlMs }), false)
    await store.lockRefresh('a', { value: 'one', owner: 'me' })
    assert.equal(await store.completeRefresh('a', { owner: 'you', value: 'two', ttlMs }), false)
    assert.equal(await store.get('a'), 'one')
  })

  it('a claim that is given back is free', async ({ store }) => {
    await store.put('a', 'one', ttlMs)
    await store.lockRefresh('a', { value: 'one', owner: 'me' })
    await store.unlockRefresh('a', 'you')
    assert.deepEqual(await store.lockRefresh('a', { value: 'one', owner: 'you' }), { heldBy: 'me' })
    await store.unlockRefresh('a', 'me')
    assert.equal(await store.lockRefresh('a', { value: 'one', owner: 'you' }), 'acquired')
  })

  it('what has ended does not come back by a claimant that comes late', async ({ store, receivedEvents }) => {
    await store.put('a', 'one', ttlMs)
    await store.lockRefresh('a', { value: 'one', owner: 'me' })
    assert.equal(await store.delete('a'), true)
    assert.equal(await store.completeRefresh('a', { owner: 'me', value: 'two', ttlMs }), false)
    assert.equal(await store.get('a'), undefined)
    if (receivedEvents) assert.deepEqual(await receivedEvents(), [{ key: 'a', type: 'ended', by: '' }])
  })

  it('a new session is nobody’s claim', async ({ store }) => {
    await store.put('a', 'one', ttlMs)
    await store.lockRefresh('a', { value: 'one', owner: 'me' })
    await store.put('a', 'two', ttlMs)
    assert.equal(await store.lockRefresh('a', { value: 'two', owner: 'you' }), 'acquired')
  })

  it('lists sessions under names, each for its ttlMs', async ({ store, advance }) => {
    assert.deepEqual(await store.listIndex('alice'), [])
    await store.addToIndex('alice', 'a', ttlMs)
    await store.addToIndex('alice', 'b', ttlMs)
    await store.addToIndex('alice', 'b', ttlMs)
    await store.addToIndex('bob', 'c', ttlMs)
    assert.deepEqual([...(await store.listIndex('alice'))].sort(), ['a', 'b'])
    await store.addToIndex('alice', 'd', 100)
    await advance(150)
    assert.deepEqual([...(await store.listIndex('alice'))].sort(), ['a', 'b'])
  })

  it('says how many sessions are listed under a name, without those whose ttlMs is over', async ({
    store,
    advance,
  }) => {
    assert.equal(await store.addToIndex('alice', 'a', 200), 1)
    assert.equal(await store.addToIndex('alice', 'b', ttlMs), 2)
    assert.equal(await store.addToIndex('alice', 'b', ttlMs), 2)
    assert.equal(await store.addToIndex('bob', 'c', ttlMs), 1)
    await advance(250)
    assert.equal(await store.addToIndex('alice', 'd', ttlMs), 2)
  })

  it('counts many sessions that are listed at the same moment', async ({ store }) => {
    const counts = await Promise.all(Array.from({ length: 100 }, (_, i) => store.addToIndex('alice', `k${i}`, ttlMs)))
    assert.deepEqual(
      counts.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i + 1),
    )
  })

  it('lists the oldest session first, and one that is listed again in its place', async ({ store, advance }) => {
    for (const key of ['c', 'b', 'a', 'c']) {
      await store.addToIndex('alice', key, ttlMs)
      await advance(2)
    }
    assert.deepEqual(await store.listIndex('alice'), ['c', 'b', 'a'])
  })

  it('takes sessions from a list, and leaves the others and what was put', async ({ store }) => {
    for (const key of ['a', 'b', 'c']) await store.addToIndex('alice', key, ttlMs)
    await store.put('a', 'one', ttlMs)
    await store.removeFromIndex('alice', ['a', 'c', 'none'])
    await store.removeFromIndex('alice', [])
    await store.removeFromIndex('nobody', ['a'])
    assert.deepEqual(await store.listIndex('alice'), ['b'])
    assert.equal(await store.get('a'), 'one')
  })

  it('knows whether a session is there, until its end', async ({ store, advance }) => {
    assert.equal(await store.has('a'), false)
    await store.put('a', 'one', 200)
    assert.equal(await store.has('a'), true)
    await advance(250)
    assert.equal(await store.has('a'), false)
  })

  it('says which call is the first', async ({ store, advance }) => {
    assert.equal(await store.useOnce('jti', ttlMs), true)
    assert.equal(await store.useOnce('jti', ttlMs), false)
    assert.equal(await store.useOnce('other', 200), true)
    await advance(250)
    assert.equal(await store.useOnce('other', ttlMs), true)
    assert.equal(await store.useOnce('jti', ttlMs), false)
  })

  it('keeps 96 KiB whole', async ({ store }) => {
    const large = 'x'.repeat(96 * 1024)
    await store.put('a', large, ttlMs)
    assert.equal(await store.get('a'), large)
    assert.equal(await store.lockRefresh('a', { value: large, owner: 'me' }), 'acquired')
  })
}
