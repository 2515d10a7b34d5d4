import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionEvent, SessionStore } from '../../src/sessions/store.ts'

export type SessionStoreUnderTest = Readonly<{
  store: SessionStore
  /** Lets time pass, in milliseconds. */
  pass: (milliseconds: number) => Promise<void>
  /** What replicas were told since the beginning; undefined where there is only one. */
  heard: (() => Promise<readonly SessionEvent[]>) | undefined
}>

/** What every store of sessions must do. `create` gives an empty one. */
export function testSessionStore(create: () => Promise<SessionStoreUnderTest>, skip: string | false = false) {
  const life = 60_000
  const it = (name: string, body: (under: SessionStoreUnderTest) => Promise<void>) =>
    test(name, { skip }, async () => body(await create()))

  it('holds nothing at first', async ({ store }) => {
    assert.equal(await store.get('a'), undefined)
    assert.equal(await store.claim('a', 'one', 'me'), 'gone')
    assert.equal(await store.finish('a', 'me', 'two', life), false)
    assert.equal(await store.end('a'), false)
    await store.touch('a', life)
    await store.release('a', 'me')
    assert.equal(await store.get('a'), undefined)
  })

  it('keeps what was put, each under its key, for its life', async ({ store, pass }) => {
    await store.put('a', 'one', life)
    await store.put('b', 'two', life)
    assert.deepEqual([await store.get('a'), await store.get('b')], ['one', 'two'])
    await store.put('a', 'one', 200)
    await pass(250)
    assert.deepEqual([await store.get('a'), await store.get('b')], [undefined, 'two'])
    assert.equal(await store.claim('a', 'one', 'me'), 'gone')
  })

  it('what is touched lives on', async ({ store, pass }) => {
    await store.put('a', 'one', 1500) // time for a busy machine to touch it
    await store.touch('a', life)
    await pass(1600)
    assert.equal(await store.get('a'), 'one')
  })

  it('one claimant at a time', async ({ store }) => {
    await store.put('a', 'one', life)
    assert.equal(await store.claim('a', 'one', 'me'), 'granted')
    assert.deepEqual(await store.claim('a', 'one', 'you'), { takenBy: 'me' })
    assert.equal(await store.get('a'), 'one')
  })

  it('of many claims at the same moment one is granted', async ({ store }) => {
    await store.put('a', 'one', life)
    const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => store.claim('a', 'one', `c${i}`)))
    assert.equal(claims.filter((claim) => claim === 'granted').length, 1)
  })

  it('a claim has no end of its own', async ({ store, pass }) => {
    await store.put('a', 'one', life)
    await store.claim('a', 'one', 'me')
    await pass(300)
    assert.deepEqual(await store.claim('a', 'one', 'you'), { takenBy: 'me' })
  })

  it('a claim in place of one that is given up, and of no other', async ({ store }) => {
    await store.put('a', 'one', life)
    await store.claim('a', 'one', 'me')
    assert.deepEqual(await store.claim('a', 'one', 'you', 'another'), { takenBy: 'me' })
    assert.equal(await store.claim('a', 'one', 'you', 'me'), 'granted')
    assert.equal(await store.finish('a', 'me', 'two', life), false)
    assert.equal(await store.finish('a', 'you', 'three', life), true)
  })

  it('no claim for whoever has not seen what stands there', async ({ store }) => {
    await store.put('a', 'one', life)
    assert.equal(await store.claim('a', 'other', 'me'), 'changed')
    assert.equal(await store.claim('a', 'one', 'me'), 'granted')
  })

  it('the claimant puts what it got, and the next one may claim', async ({ store, heard }) => {
    await store.put('a', 'one', life)
    await store.claim('a', 'one', 'me')
    assert.equal(await store.finish('a', 'me', 'two', life), true)
    assert.equal(await store.get('a'), 'two')
    assert.equal(await store.claim('a', 'one', 'you'), 'changed')
    assert.equal(await store.claim('a', 'two', 'you'), 'granted')
    if (heard) assert.deepEqual(await heard(), [{ key: 'a', what: 'changed', by: 'me' }])
  })

  it('whoever did not hear that it was put may put it again', async ({ store }) => {
    await store.put('a', 'one', life)
    await store.claim('a', 'one', 'me')
    await store.finish('a', 'me', 'two', life)
    assert.equal(await store.finish('a', 'me', 'two', life), true)
    assert.equal(await store.finish('a', 'me', 'three', life), false)
    assert.equal(await store.get('a'), 'two')
  })

  it('nobody else puts anything', async ({ store }) => {
    await store.put('a', 'one', life)
    assert.equal(await store.finish('a', 'you', 'two', life), false)
    await store.claim('a', 'one', 'me')
    assert.equal(await store.finish('a', 'you', 'two', life), false)
    assert.equal(await store.get('a'), 'one')
  })

  it('a claim that is given back is free', async ({ store }) => {
    await store.put('a', 'one', life)
    await store.claim('a', 'one', 'me')
    await store.release('a', 'you')
    assert.deepEqual(await store.claim('a', 'one', 'you'), { takenBy: 'me' })
    await store.release('a', 'me')
    assert.equal(await store.claim('a', 'one', 'you'), 'granted')
  })

  it('what has ended does not come back by a claimant that comes late', async ({ store, heard }) => {
    await store.put('a', 'one', life)
    await store.claim('a', 'one', 'me')
    assert.equal(await store.end('a'), true)
    assert.equal(await store.finish('a', 'me', 'two', life), false)
    assert.equal(await store.get('a'), undefined)
    if (heard) assert.deepEqual(await heard(), [{ key: 'a', what: 'ended', by: '' }])
  })

  it('a new session is nobody’s claim', async ({ store }) => {
    await store.put('a', 'one', life)
    await store.claim('a', 'one', 'me')
    await store.put('a', 'two', life)
    assert.equal(await store.claim('a', 'two', 'you'), 'granted')
  })

  it('lists sessions under names, each for its life', async ({ store, pass }) => {
    assert.deepEqual(await store.list('alice'), [])
    await store.enlist('alice', 'a', life)
    await store.enlist('alice', 'b', life)
    await store.enlist('alice', 'b', life)
    await store.enlist('bob', 'c', life)
    assert.deepEqual([...(await store.list('alice'))].sort(), ['a', 'b'])
    await store.enlist('alice', 'd', 100)
    await pass(150)
    assert.deepEqual([...(await store.list('alice'))].sort(), ['a', 'b'])
  })

  it('says how many sessions are listed under a name, without those whose life is over', async ({ store, pass }) => {
    assert.equal(await store.enlist('alice', 'a', 200), 1)
    assert.equal(await store.enlist('alice', 'b', life), 2)
    assert.equal(await store.enlist('alice', 'b', life), 2)
    assert.equal(await store.enlist('bob', 'c', life), 1)
    await pass(250)
    assert.equal(await store.enlist('alice', 'd', life), 2)
  })

  it('counts many sessions that are listed at the same moment', async ({ store }) => {
    const counts = await Promise.all(Array.from({ length: 100 }, (_, i) => store.enlist('alice', `k${i}`, life)))
    assert.deepEqual(
      counts.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i + 1),
    )
  })

  it('lists the oldest session first, and one that is listed again in its place', async ({ store, pass }) => {
    for (const key of ['c', 'b', 'a', 'c']) {
      await store.enlist('alice', key, life)
      await pass(2)
    }
    assert.deepEqual(await store.list('alice'), ['c', 'b', 'a'])
  })

  it('takes sessions from a list, and leaves the others and what was put', async ({ store }) => {
    for (const key of ['a', 'b', 'c']) await store.enlist('alice', key, life)
    await store.put('a', 'one', life)
    await store.delist('alice', ['a', 'c', 'none'])
    await store.delist('alice', [])
    await store.delist('nobody', ['a'])
    assert.deepEqual(await store.list('alice'), ['b'])
    assert.equal(await store.get('a'), 'one')
  })

  it('knows whether a session is there, until its end', async ({ store, pass }) => {
    assert.equal(await store.has('a'), false)
    await store.put('a', 'one', 200)
    assert.equal(await store.has('a'), true)
    await pass(250)
    assert.equal(await store.has('a'), false)
  })

  it('says which call is the first', async ({ store, pass }) => {
    assert.equal(await store.once('jti', life), true)
    assert.equal(await store.once('jti', life), false)
    assert.equal(await store.once('other', 200), true)
    await pass(250)
    assert.equal(await store.once('other', life), true)
    assert.equal(await store.once('jti', life), false)
  })

  it('keeps 96 KiB whole', async ({ store }) => {
    const large = 'x'.repeat(96 * 1024)
    await store.put('a', large, life)
    assert.equal(await store.get('a'), large)
    assert.equal(await store.claim('a', large, 'me'), 'granted')
  })
}
