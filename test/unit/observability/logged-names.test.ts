import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signInNames, writtenNames } from '../../../src/observability/logged-names.ts'

test('the first write of a user logs the new roles and groups only', () => {
  assert.deepEqual(writtenNames({ former: undefined, current: { roles: ['viewer'], groups: ['staff'] } }), {
    'user.changes.roles': ['viewer'],
    'user.changes.group.name': ['staff'],
  })
})

test('a write with the same roles and groups in another order logs neither', () => {
  const former = { roles: ['a', 'b'], groups: ['x', 'y'] }
  assert.deepEqual(writtenNames({ former, current: { roles: ['b', 'a'], groups: ['y', 'x'] } }), {})
})

test('a write with other roles or groups logs the former and the new ones', () => {
  const former = { roles: ['viewer'], groups: ['staff'] }
  assert.deepEqual(writtenNames({ former, current: { roles: [], groups: ['staff'] } }), {
    'user.roles': ['viewer'],
    'user.group.name': ['staff'],
    'user.changes.roles': [],
    'user.changes.group.name': ['staff'],
  })
})

test('names are limited in number and length, and their control characters are escaped', () => {
  const groups = ['a\u001b[31m\u0085\u2028', ...Array.from({ length: 200 }, (_, i) => `group-${i}`)]
  const names = signInNames({ roles: [], groups })['user.group.name'] as string[]
  assert.equal(names.length, 50)
  assert.deepEqual(names.slice(0, 2), ['a\\u001b[31m\\u0085\\u2028', 'group-0'])
  assert.deepEqual(signInNames({ roles: ['x'.repeat(507)], groups: [] })['user.roles'], ['x'.repeat(255)])
})

test('the names of a line with 1,000 groups of the maximum length and many roles have less than 2,800 bytes', () => {
  for (const character of ['x', '€', '"', '\u0000']) {
    const access = {
      roles: Array.from({ length: 100 }, () => character.repeat(507)),
      groups: Array.from({ length: 1000 }, () => character.repeat(255)),
    }
    const none = { roles: [], groups: [] }
    for (const fields of [
      signInNames(access),
      writtenNames({ former: access, current: none }),
      writtenNames({ former: none, current: access }),
    ])
      assert.ok(Buffer.byteLength(JSON.stringify(fields)) < 2800 + 120, character)
  }
})
