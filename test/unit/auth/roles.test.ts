import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createMapRoles, type RoleRules } from '../../../src/auth/roles.ts'
import { identity } from './credentials/fixture.ts'

describe('letters that become others in lower case', () => {
  const map = createMapRoles({
    mappings: { 'kibana-admins': ['superuser'], Ärzte: ['doctors'] },
    defaultRoles: ['viewer'],
    allowedGroups: ['kibana-admins', 'ärzte'],
  })

  test('the Kelvin sign is no k, neither for a mapping nor for the whitelist', () => {
    assert.throws(() => map(identity({ groups: ['\u212Aibana-admins'] })), { code: 'group_denied' })
    assert.deepEqual(map(identity({ groups: ['ärzte', '\u212Aibana-admins'] })), ['doctors'])
  })

  test('letters beyond ASCII have no case either', () => {
    assert.deepEqual(map(identity({ groups: ['ÄRZTE'] })), ['doctors'])
  })
})

const map = (mappings: RoleRules['mappings'], groups: readonly string[], more: Partial<RoleRules> = {}) =>
  createMapRoles({ mappings, defaultRoles: [], ...more })(identity({ groups }))
const fallback = { defaultRoles: ['none'] }

describe('groups to roles', () => {
  const rows: [string, RoleRules['mappings'], string[], string[]][] = [
    ['one group, two roles', { staff: ['b', 'a'] }, ['staff'], ['a', 'b']],
    [
      'two groups, their roles together, sorted, no doubles',
      { x: ['c', 'a'], y: ['a', 'b'] },
      ['x', 'y'],
      ['a', 'b', 'c'],
    ],
    ['case of the group is of no account', { Staff: ['r'] }, ['sTAFF'], ['r']],
    ['case beyond ASCII', { ÉQUIPE: ['r'] }, ['équipe'], ['r']],
    ['case of the role is kept', { staff: ['Reader'] }, ['staff'], ['Reader']],
    ['part of a name is not the name', { staff: ['r'] }, ['staffers', 'my-staff'], ['none']],
    ['a star stands for anything', { 'team-*': ['r'] }, ['team-blue'], ['r']],
    ['a star stands for nothing too', { 'team-*': ['r'] }, ['team-'], ['r']],
    ['a star reaches over line ends', { 'a*b': ['r'] }, ['a\nb'], ['r']],
    ['a pattern must match the whole', { 'team-*': ['r'] }, ['my-team-blue'], ['none']],
    ['a lone star is any group', { '*': ['r'] }, ['x'], ['r']],
    ['a lone star wants a group', { '*': ['r'] }, [], ['none']],
    ['two stars in a row', { 'a**b': ['r'] }, ['axyb', 'ab'], ['r']],
    ['{group} keeps the group’s own spelling', { 'team-*': ['{group}-reader'] }, ['Team-Blue'], ['Team-Blue-reader']],
    ['{group} more than once', { '*': ['{group}/{group}'] }, ['x'], ['x/x']],
    [
      '$& in a group is no replacement pattern',
      { '*': ['[{group}]'] },
      ['$&', '$1', "$'", '$$'],
      ['[$$]', '[$&]', "[$']", '[$1]'],
    ],
    ['{group} in a group is not filled in again', { '*': ['a-{group}'] }, ['{group}'], ['a-{group}']],
    ['a dot in a pattern is a dot', { 'a.c': ['r'], 'a.*': ['s'] }, ['abc'], ['none']],
    ['metacharacters in a pattern are themselves', { '(a|b)+[c]?^$\\d{2}*': ['r'] }, ['(a|b)+[c]?^$\\d{2}!'], ['r']],
    ['metacharacters do not match what they would', { '(a|b)*': ['r'], '[ab]*': ['s'] }, ['a', 'b'], ['none']],
    ['names that objects have by themselves', { constructor: ['r'] }, ['constructor', 'toString', '__proto__'], ['r']],
    ['a blank at either end makes no role', { '*': ['{group}'] }, [' x', 'x '], ['none']],
    ['non-ASCII makes no role by a template', { '*': ['{group}'] }, ['équipe', 'ok'], ['ok']],
    ['a role that is too long is left out', { '*': ['{group}'.repeat(3)] }, ['a'.repeat(255), 'ok'], ['okokok']],
    ['507 characters are not too long', { '*': [`${'r'.repeat(506)}{group}`] }, ['x'], [`${'r'.repeat(506)}x`]],
    ['508 characters are', { '*': [`${'r'.repeat(507)}{group}`] }, ['x'], ['none']],
    ['default roles only where there is no other', { x: ['r'] }, ['x'], ['r']],
    ['default roles for one without groups', { x: ['r'] }, [], ['none']],
  ]
  for (const [name, mappings, groups, roles] of rows) {
    test(name, () => assert.deepEqual(map(mappings, groups, fallback), roles.toSorted()))
  }

  test('the order of groups and mappings is of no account', () => {
    const a = map({ x: ['b'], y: ['a', 'c'] }, ['x', 'y'])
    assert.deepEqual(map({ y: ['c', 'a'], x: ['b'] }, ['y', 'x']), a)
  })

  test('the result cannot be changed by who gets it', () => assert.ok(Object.isFrozen(map({ x: ['r'] }, ['x']))))

  test('no role at all is an error that names the user', () => {
    assert.throws(() => map({ x: ['r'] }, ['y']), { code: 'no_roles', username: 'bob' })
    assert.throws(() => map({ '*': ['{group}'] }, ['é']), { code: 'no_roles' })
  })
})

describe('whitelist', () => {
  const rules = { allowedGroups: ['Staff', 'ops'], defaultRoles: ['r'] }
  test('one of the groups is in it', () => assert.deepEqual(map({}, ['guests', 'STAFF'], rules), ['r']))
  test('none is', () =>
    assert.throws(() => map({ guests: ['r'] }, ['guests'], rules), { code: 'group_denied', username: 'bob' }))
  test('no groups at all', () => assert.throws(() => map({}, [], rules), { code: 'group_denied' }))
  test('it has no patterns', () => {
    assert.throws(() => map({}, ['anything'], { ...rules, allowedGroups: ['*'] }), { code: 'group_denied' })
  })
  test('an empty one lets nobody in', () => {
    assert.throws(() => map({}, ['staff'], { ...rules, allowedGroups: [] }), { code: 'group_denied' })
  })
})

// A pattern is the administrator's, but the group is whatever the identity provider lets a user be in.
for (const pattern of ['*a*a*a*a*b', '*a*a*a*a*a*a*a*a*b']) {
  test(`a pattern such as ${pattern.slice(0, 20)} does not hang on 255 letters`, async () => {
    assert.notEqual(await mapInWorker(pattern, ['a'.repeat(255)]), 'hangs')
  })
}

/** A regular expression cannot be interrupted, a thread can be ended. */
function mapInWorker(pattern: string, groups: string[]): Promise<unknown> {
  const module = new URL('../../../src/auth/roles.ts', import.meta.url).href
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.module).then(({ createMapRoles }) => {
      const map = createMapRoles({ mappings: { [workerData.pattern]: ['r'] }, defaultRoles: ['none'] })
      parentPort.postMessage(map({ username: 'bob', groups: workerData.groups, provider: 'x' }))
    })`
  const worker = new Worker(source, { eval: true, workerData: { module, pattern, groups } })
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const timer = setTimeout(() => resolve('hangs'), 20_000)
  worker.once('message', resolve).once('error', reject)
  return promise.finally(async () => {
    clearTimeout(timer)
    await worker.terminate()
  })
}
