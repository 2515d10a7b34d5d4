import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCredentialCache } from '../../../../src/auth/credentials/credential-cache.ts'

const credential = (authorization: string) => ({
  state: { created: '2026-11-23', version: 1, key_id: 'k', issued_at: 0, fingerprint: 'f' },
  access: 'a',
  authorization,
  notBefore: 0,
  revalidateAt: 0,
})

test('the credential cache returns the object that was stored', () => {
  const cache = createCredentialCache(2)
  const bobs = credential('bob')
  cache.set('bob', bobs)
  assert.equal(cache.get('bob'), bobs)
  assert.equal(cache.get('carol'), undefined)
})

test('the credential cache evicts the least recently used user above its limit', () => {
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

test('delete removes one user from the credential cache', () => {
  const cache = createCredentialCache(2)
  for (const name of ['a', 'b']) cache.set(name, credential(name))
  cache.delete('a')
  cache.delete('absent')
  assert.deepEqual([cache.get('a'), cache.get('b')?.authorization, cache.size()], [undefined, 'b', 1])
})

test('a credential cache with 0 entries stores nothing', () => {
  const cache = createCredentialCache(0)
  cache.set('bob', credential('bob'))
  cache.delete('bob')
  assert.deepEqual([cache.get('bob'), cache.size()], [undefined, 0])
})

test('the credential cache does not find the names of object properties', () => {
  assert.equal(createCredentialCache(2).get('constructor'), undefined)
  assert.equal(createCredentialCache(2).get('toString'), undefined)
})
