import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSubject } from '../../../src/auth/subject.ts'
import { identity, subject } from './credentials/fixture.ts'

const base = { groups: ['a', 'b'], name: 'Bob', email: 'bob@example.com' }
const fingerprint = (...args: Parameters<typeof subject>) => subject(...args).fingerprint

test('anything that Elasticsearch stores changes the fingerprint', () => {
  const all = [
    fingerprint(base),
    fingerprint(base, ['reader', 'writer']),
    fingerprint(base, []),
    fingerprint({ ...base, groups: ['a'] }),
    fingerprint({ ...base, groups: ['a', 'b', 'c'] }),
    fingerprint({ ...base, groups: ['A', 'b'] }),
    fingerprint({ ...base, name: 'bob' }),
    fingerprint({ ...base, email: 'bob@example.org' }),
    fingerprint({ groups: base.groups, email: base.email }),
    fingerprint({ groups: base.groups, name: base.name }),
    fingerprint({ groups: base.groups }),
  ]
  assert.equal(new Set(all).size, all.length)
})

test('parts cannot be confused with each other', () => {
  const all = [
    fingerprint({ groups: ['a', 'b'] }),
    fingerprint({ groups: ['a,b'] }),
    fingerprint({ groups: ['a","b'] }),
    fingerprint({ groups: ['ab'] }),
    fingerprint({ groups: [], name: 'x' }),
    fingerprint({ groups: [], email: 'x' }),
    fingerprint({ groups: ['x'] }, []),
    fingerprint({ groups: [] }, ['x']),
    fingerprint({ groups: [], name: 'null' }, []),
    fingerprint({ groups: [] }, []),
  ]
  assert.equal(new Set(all).size, all.length)
})

test('the order of groups and roles does not', () => {
  assert.equal(fingerprint({ ...base, groups: ['b', 'a'] }, ['y', 'x']), fingerprint(base, ['x', 'y']))
})

test('who the user is, and who said so, does not: the credential is the user’s already', () => {
  assert.equal(fingerprint({ ...base, username: 'carol', provider: 'static' }), fingerprint(base))
})

test('every release must make the same fingerprint, or all users are written anew', () => {
  assert.equal(fingerprint(base, ['reader']), '4EHmk8vBXqkeUsnB_qEOVGQ1')
})

test('access changes with roles and groups, and with nothing else', () => {
  const access = (...args: Parameters<typeof subject>) => subject(...args).access
  const all = [
    access(base),
    access(base, ['reader', 'writer']),
    access(base, []),
    access({ ...base, groups: ['a'] }),
    access({ ...base, groups: [] }, ['a']),
    access({ ...base, groups: ['a,b'] }),
  ]
  assert.equal(new Set(all).size, all.length)
  assert.equal(access({ groups: ['b', 'a'], name: 'Robert' }), access(base))
})

test('it is frozen, and keeps the identity as the same object', () => {
  const who = identity()
  const made = createSubject(who, [])
  assert.equal(made.identity, who)
  assert.ok(Object.isFrozen(made))
})
