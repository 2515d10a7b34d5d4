import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SharedStore } from '../../src/auth/credentials/shared-cache.ts'

export type StoreUnderTest = Readonly<{
  store: SharedStore
  heard: () => Promise<readonly string[]>
  /** Lets that much time pass, in milliseconds. */
  pass: (milliseconds: number) => Promise<unknown>
}>

/** What every shared store must do. `create` gives an empty one, with all that is told of changes from then on. */
export function testSharedStore(create: () => Promise<StoreUnderTest> | StoreUnderTest, skip: string | false = false) {
  const life = 60_000
  const it = (name: string, body: (under: StoreUnderTest) => Promise<void>) =>
    test(name, { skip }, async () => body(await create()))

  it('holds nothing at first', async ({ store }) => {
    assert.equal(await store.get('bob'), '')
  })

  it('puts a value where there was nothing, and tells nobody', async ({ store, heard }) => {
    await store.replace('bob', '', 'one', life, 'id-1')
    assert.equal(await store.get('bob'), 'one')
    assert.deepEqual(await heard(), [])
  })

  it('replaces only what was expected, and tells', async ({ store, heard }) => {
    await store.replace('bob', '', 'one', life, 'id-1')
    await store.replace('bob', 'other', 'two', life, 'id-2')
    await store.replace('bob', '', 'two', life, 'id-2')
    assert.equal(await store.get('bob'), 'one')
    await store.replace('bob', 'one', 'three', life, 'id-3')
    assert.equal(await store.get('bob'), 'three')
    assert.deepEqual(await heard(), ['bob id-3'])
  })

  it('a turn: nobody else gets one, its end puts the value and tells', async ({ store, heard }) => {
    assert.equal(await store.claim('bob', '', 'a', life, false), 'granted')
    assert.equal(await store.get('bob'), '!a')
    assert.equal(await store.claim('bob', '!a', 'b', life, false), 'taken')
    await store.replace('bob', '', 'late', life, 'id-0')
    assert.equal(await store.get('bob'), '!a')
    await store.finish('bob', 'a', 'one', life, 'id-1', life)
    assert.equal(await store.get('bob'), 'one')
    assert.deepEqual(await heard(), ['bob id-1'])
  })

  it('no turn for whoever has not seen what stands there', async ({ store }) => {
    await store.replace('bob', '', 'one', life, 'id-1')
    assert.equal(await store.claim('bob', '', 'a', life, false), 'changed')
    assert.equal(await store.claim('bob', undefined, 'a', life, false), 'granted')
  })

  it('whoever insists writes in doubt, and so does whom it overtook', async ({ store, heard }) => {
    await store.claim('bob', '', 'a', life, false)
    assert.equal(await store.claim('bob', '!a', 'b', life, true), 'granted')
    await store.finish('bob', 'b', 'two', life, 'id-2', life)
    assert.equal(await store.get('bob'), '?b.')
    await store.finish('bob', 'a', 'one', life, 'id-1', life)
    assert.equal(await store.get('bob'), '?a.')
    assert.deepEqual(await heard(), ['bob ', 'bob '])
  })

  it('in doubt there are turns, one at a time, and doubt stays', async ({ store }) => {
    await store.replace('bob', '', 'one', life, 'id-1')
    await store.taint('bob', 'on', 'd', life)
    assert.equal(await store.get('bob'), '?d.')
    assert.equal(await store.claim('bob', '?d.', 'a', life, false), 'granted')
    assert.equal(await store.claim('bob', '?a', 'b', life, false), 'taken')
    await store.finish('bob', 'a', 'two', life, 'id-2', life)
    assert.equal(await store.get('bob'), '?a.')
  })

  it('a turn in doubt does not end with the doubt it was taken in', async ({ store, pass }) => {
    await store.replace('bob', '', 'one', life, 'id-1')
    await store.taint('bob', 'on', 'd', 200)
    // insisting, since on a slow machine the doubt may be over by now; what stands there then is the same
    assert.equal(await store.claim('bob', '?d.', 'a', life, true), 'granted')
    await pass(300)
    assert.equal(await store.get('bob'), '?a')
  })

  it('an end that finds another value leaves doubt', async ({ store, heard }) => {
    await store.replace('bob', '', 'one', life, 'id-1')
    await store.finish('bob', 'a', 'two', life, 'id-2', life)
    assert.equal(await store.get('bob'), '?a.')
    assert.deepEqual(await heard(), ['bob '])
  })

  it('doubt concerns only what was meant', async ({ store, heard }) => {
    await store.taint('bob', '', 'd', life)
    assert.equal(await store.get('bob'), '')
    await store.replace('bob', '', 'one', life, 'id-1')
    await store.taint('bob', 'two', 'd', life)
    assert.equal(await store.get('bob'), 'one')
    assert.deepEqual(await heard(), [])
  })

  it('users are apart', async ({ store }) => {
    await store.replace('bob', '', 'one', life, 'id-1')
    assert.equal(await store.get('bo'), '')
    assert.equal(await store.get('BOB'), '')
    assert.equal(await store.claim('alice', '', 'a', life, false), 'granted')
    assert.equal(await store.get('bob'), 'one')
  })
}
