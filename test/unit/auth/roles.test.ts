import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createMapRoles, type RoleGrant, type RoleRules } from '../../../src/auth/roles.ts'
import type { GatewayError } from '../../../src/http/errors.ts'
import fc from '../../support/property.ts'
import { identity } from './credentials/fixture.ts'

describe('group names in upper and lower case', () => {
  const map = createMapRoles({
    mappings: { 'kibana-admins': ['superuser'], Ärzte: ['doctors'] },
    defaultRoles: ['viewer'],
    allowedGroups: ['kibana-admins', 'ärzte'],
  })

  test('the Kelvin sign U+212A does not match k, neither in group_mappings nor in group_whitelist', () => {
    assert.throws(() => map(identity({ groups: ['\u212Aibana-admins'] })), { code: 'group_denied' })
    assert.deepEqual(map(identity({ groups: ['ärzte', '\u212Aibana-admins'] })), ['doctors'])
  })

  test('letters beyond ASCII match in upper and lower case', () => {
    assert.deepEqual(map(identity({ groups: ['ÄRZTE'] })), ['doctors'])
  })
})

const map = (mappings: RoleRules['mappings'], groups: readonly string[], rules: Partial<RoleRules> = {}) =>
  createMapRoles({ mappings, defaultRoles: [], ...rules })(identity({ groups }))
const withDefault = { defaultRoles: ['none'] }

test('every role comes from a grant that names its group and mapping, for any rules and groups', () => {
  const name = fc.constantFrom<string>('a', 'b', 'ab', 'team-a', 'Team-B', ' x ', 'ä')
  const rules = fc.record({
    mappings: fc.dictionary(
      fc.constantFrom('a', 'B', 'team-*', '*', 'ab*'),
      fc.array(fc.constantFrom('r', 's', '{group}-reader', ' bad'), { maxLength: 3 }),
    ),
    defaultRoles: fc.array(fc.constantFrom<string>('r', 'viewer'), { maxLength: 2 }),
    allowedGroups: fc.option(fc.array(name), { nil: undefined }),
  })
  const outcome = (map: () => readonly string[]) => {
    try {
      return map()
    } catch (error) {
      return (error as GatewayError).code
    }
  }
  fc.assert(
    fc.property(rules, fc.array(name), (given, groups) => {
      const grants: RoleGrant[] = []
      const user = identity({ groups })
      const mapped = outcome(() => createMapRoles(given)(user))
      assert.deepEqual(
        outcome(() => createMapRoles(given, (grant) => grants.push(grant))(user)),
        mapped,
      )
      const granted = grants.filter(({ isValid }) => isValid).map(({ role }) => role)
      assert.deepEqual([...new Set(granted)].sort(), typeof mapped === 'string' ? [] : mapped)
      for (const { role, source } of grants) {
        if (source === undefined) assert.ok(given.defaultRoles.includes(role))
        else {
          const { group, mapping } = source
          assert.ok(groups.includes(group))
          assert.ok(given.mappings[mapping]!.some((template) => template.replaceAll('{group}', () => group) === role))
        }
      }
    }),
  )
})

describe('roles from group_mappings and default_roles', () => {
  const rows: [string, RoleRules['mappings'], string[], string[]][] = [
    ['one group gives two roles', { staff: ['b', 'a'] }, ['staff'], ['a', 'b']],
    [
      'two groups give their roles together, sorted and without duplicates',
      { x: ['c', 'a'], y: ['a', 'b'] },
      ['x', 'y'],
      ['a', 'b', 'c'],
    ],
    ['a group matches in another case', { Staff: ['r'] }, ['sTAFF'], ['r']],
    ['a group with a letter beyond ASCII matches in another case', { ÉQUIPE: ['r'] }, ['équipe'], ['r']],
    ['a role keeps its case', { staff: ['Reader'] }, ['staff'], ['Reader']],
    ['a pattern without a star does not match a part of a name', { staff: ['r'] }, ['staffers', 'my-staff'], ['none']],
    ['a star matches any characters', { 'team-*': ['r'] }, ['team-blue'], ['r']],
    ['a star matches no characters', { 'team-*': ['r'] }, ['team-'], ['r']],
    ['a star matches a line end', { 'a*b': ['r'] }, ['a\nb'], ['r']],
    ['a pattern matches only the whole name', { 'team-*': ['r'] }, ['my-team-blue'], ['none']],
    ['a lone star matches any group', { '*': ['r'] }, ['x'], ['r']],
    ['a lone star does not match a user without groups', { '*': ['r'] }, [], ['none']],
    ['two stars in a row match like one', { 'a**b': ['r'] }, ['axyb', 'ab'], ['r']],
    ["{group} keeps the group's spelling", { 'team-*': ['{group}-reader'] }, ['Team-Blue'], ['Team-Blue-reader']],
    ['{group} may occur more than once', { '*': ['{group}/{group}'] }, ['x'], ['x/x']],
    [
      '$& in a group is not a replacement pattern',
      { '*': ['[{group}]'] },
      ['$&', '$1', "$'", '$$'],
      ['[$$]', '[$&]', "[$']", '[$1]'],
    ],
    ['{group} in the name of a group is not replaced again', { '*': ['a-{group}'] }, ['{group}'], ['a-{group}']],
    ['a dot in a pattern matches only a dot', { 'a.c': ['r'], 'a.*': ['s'] }, ['abc'], ['none']],
    [
      'metacharacters of regular expressions match themselves',
      { '(a|b)+[c]?^$\\d{2}*': ['r'] },
      ['(a|b)+[c]?^$\\d{2}!'],
      ['r'],
    ],
    [
      'metacharacters of regular expressions have no meaning',
      { '(a|b)*': ['r'], '[ab]*': ['s'] },
      ['a', 'b'],
      ['none'],
    ],
    [
      'a group named like a property of every object matches only itself',
      { constructor: ['r'] },
      ['constructor', 'toString', '__proto__'],
      ['r'],
    ],
    [
      'a template whose role would begin or end with a space gives no role',
      { '*': ['{group}'] },
      [' x', 'x '],
      ['none'],
    ],
    ['a template whose role would not be ASCII gives no role', { '*': ['{group}'] }, ['équipe', 'ok'], ['ok']],
    [
      'a template whose role would be too long gives no role',
      { '*': ['{group}'.repeat(3)] },
      ['a'.repeat(255), 'ok'],
      ['okokok'],
    ],
    ['a role of 507 characters is accepted', { '*': [`${'r'.repeat(506)}{group}`] }, ['x'], [`${'r'.repeat(506)}x`]],
    ['a role of 508 characters is too long', { '*': [`${'r'.repeat(507)}{group}`] }, ['x'], ['none']],
    ['default roles are not added to mapped roles', { x: ['r'] }, ['x'], ['r']],
    ['a user without groups gets the default roles', { x: ['r'] }, [], ['none']],
  ]
  for (const [name, mappings, groups, roles] of rows) {
    test(name, () => assert.deepEqual(map(mappings, groups, withDefault), roles.toSorted()))
  }

  test('the roles do not depend on the order of groups and mappings', () => {
    const a = map({ x: ['b'], y: ['a', 'c'] }, ['x', 'y'])
    assert.deepEqual(map({ y: ['c', 'a'], x: ['b'] }, ['y', 'x']), a)
  })

  test('the list of roles is frozen', () => assert.ok(Object.isFrozen(map({ x: ['r'] }, ['x']))))

  test('a user without any role is rejected with no_roles, and the error has the username', () => {
    assert.throws(() => map({ x: ['r'] }, ['y']), { code: 'no_roles', username: 'bob' })
    assert.throws(() => map({ '*': ['{group}'] }, ['é']), { code: 'no_roles' })
  })
})

describe('the detail of a denial, for the log', () => {
  const denialOf = (groups: string[], more: object = {}, rules: object = {}) => {
    try {
      createMapRoles({ mappings: {}, defaultRoles: [], ...rules })(identity({ groups, ...more }))
    } catch (error) {
      return (error as GatewayError).detail
    }
    throw new Error('not denied')
  }

  test("a denial's detail names the user's groups", () => {
    assert.match(denialOf(['staff', 'a, b']), /; the user's groups: "staff", "a, b"$/)
    assert.match(denialOf(['staff'], {}, { allowedGroups: ['ops'] }), /^no group .* in group_whitelist; .*: "staff"$/)
  })

  test("a denial's detail names at most 20 groups, and says how many more there are", () => {
    const groups = Array.from({ length: 1000 }, (_, i) => `g${i}`)
    assert.match(denialOf(groups), /"g0", .*"g19" and 980 more$/)
    assert.match(denialOf(groups.slice(0, 20)), /"g19"$/)
  })

  test("a denial's detail says whether the user has no groups, or the provider sent none", () => {
    assert.match(denialOf([]), /; the user has no groups$/)
    assert.match(denialOf([], { groupsMissing: true }), /; the provider sent no information about groups$/)
  })
})

describe('group_whitelist', () => {
  const rules = { allowedGroups: ['Staff', 'ops'], defaultRoles: ['r'] }
  test('group_whitelist accepts a user with one of its groups, in any case', () =>
    assert.deepEqual(map({}, ['guests', 'STAFF'], rules), ['r']))
  test('group_whitelist rejects a user with other groups only', () =>
    assert.throws(() => map({ guests: ['r'] }, ['guests'], rules), { code: 'group_denied', username: 'bob' }))
  test('group_whitelist rejects a user without groups', () =>
    assert.throws(() => map({}, [], rules), { code: 'group_denied' }))
  test('group_whitelist does not treat * as a pattern', () => {
    assert.throws(() => map({}, ['anything'], { ...rules, allowedGroups: ['*'] }), { code: 'group_denied' })
  })
  test('an empty group_whitelist rejects all users', () => {
    assert.throws(() => map({}, ['staff'], { ...rules, allowedGroups: [] }), { code: 'group_denied' })
  })
})

// Administrators write the patterns, but at some providers users choose the names of groups.
for (const pattern of ['*a*a*a*a*b', '*a*a*a*a*a*a*a*a*b']) {
  test(`the pattern ${pattern} does not take exponential time for a group of 255 letters`, async () => {
    assert.notEqual(await mapInWorker(pattern, ['a'.repeat(255)]), 'timeout')
  })
}

/** In a worker thread: a slow regular expression cannot be interrupted, but its thread can be terminated. */
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
  const timer = setTimeout(() => resolve('timeout'), 20_000)
  worker.once('message', resolve).once('error', reject)
  return promise.finally(async () => {
    clearTimeout(timer)
    await worker.terminate()
  })
}
