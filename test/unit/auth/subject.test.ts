import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSubject } from '../../../src/auth/subject.ts'
import { identity, subject } from './credentials/fixture.ts'

const base = { groups: ['a', 'b'], name: 'Bob', email: 'bob@example.com' }
const fingerprint = (...args: Parameters<typeof subject>) => subject(...args).fingerprint

test('the fingerprint changes with everything that Elasticsearch stores about the user', () => {
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

test('the fingerprint distinguishes the same text in different fields and lists', () => {
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

test('the fingerprint does not depend on the order of groups and roles', () => {
  assert.equal(fingerprint({ ...base, groups: ['b', 'a'] }, ['y', 'x']), fingerprint(base, ['x', 'y']))
})

test('the fingerprint does not depend on the username and the provider', () => {
  assert.equal(fingerprint({ ...base, username: 'carol', provider: 'static' }), fingerprint(base))
})

test('the fingerprint is the same in every release, so that an upgrade does not rewrite all users', () => {
  assert.equal(fingerprint(base, ['reader']), '4EHmk8vBXqkeUsnB_qEOVGQ1')
})

test('the access of a subject changes only with its roles and groups', () => {
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

test('a subject is frozen and contains the same identity object', () => {
  const user = identity()
  const created = createSubject(user, [])
  assert.equal(created.identity, user)
  assert.ok(Object.isFrozen(created))
})
