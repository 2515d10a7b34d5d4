import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCredentialCache } from '../../../../src/auth/credentials/credential-cache.ts'

const credential = (authorization: string) => ({
  state: { created: '2026-11-23', version: 1, key_id: 'k', issued_at: 0, fingerprint: 'f' },
  access: 'a',
  authorization,
  revalidateAt: 0,
})

test('gives back the very entry it was given', () => {
  const cache = createCredentialCache(2)
  const bobs = credential('bob')
  cache.set('bob', bobs)
  assert.equal(cache.get('bob'), bobs)
  assert.equal(cache.get('carol'), undefined)
})

test('never holds more than its bound: who was asked for longest ago leaves', () => {
  const cache = createCredentialCache(2)
  for (const name of ['a', 'b']) cache.set(name, credential(name))
  cache.get('a')
  cache.set('c', credential('c'))
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => cache.get(name)?.authorization),
    ['a', undefined, 'c'],
  )
  for (let i = 0; i < 10_000; i++) cache.set(`user-${i}`, credential('x'))
  assert.equal(cache.size(), 2)
})

test('delete takes one user out', () => {
  const cache = createCredentialCache(2)
  for (const name of ['a', 'b']) cache.set(name, credential(name))
  cache.delete('a')
  cache.delete('nobody')
  assert.deepEqual([cache.get('a'), cache.get('b')?.authorization, cache.size()], [undefined, 'b', 1])
})

test('0 turns it off', () => {
  const cache = createCredentialCache(0)
  cache.set('bob', credential('bob'))
  cache.delete('bob')
  assert.deepEqual([cache.get('bob'), cache.size()], [undefined, 0])
})

test('names that objects have by themselves are not found', () => {
  assert.equal(createCredentialCache(2).get('constructor'), undefined)
  assert.equal(createCredentialCache(2).get('toString'), undefined)
})
