import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NamedUser } from '../../../src/auth/credentials/user-directory.ts'
import type { RoleRules } from '../../../src/auth/roles.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { compareRoles, describeChanges, type RoleChange } from '../../../src/plan/compare-roles.ts'

const elastauth = { created: '2026-11-23', version: 1, key_id: 'ab', issued_at: 1, fingerprint: 'f' }
const user = (username: string, groups: unknown, more: object = { elastauth }): NamedUser => ({
  ...{ username, reserved: false, enabled: true, roles: [], metadata: { groups, ...more } },
})
const rules = (mappings: RoleRules['mappings'], more: Partial<RoleRules> = {}): RoleRules => ({
  ...{ mappings, defaultRoles: [], ...more },
})

/** Pages of a list of users, sorted by name, as Elasticsearch returns them. */
function createPage(users: readonly NamedUser[], fail: (size: number) => boolean = () => false) {
  const sizes: number[] = []
  return Object.assign(
    async (after: string | undefined, size: number) => {
      sizes.push(size)
      if (fail(size)) throw new GatewayError('elasticsearch_unavailable', 'the response is too long')
      return users.filter(({ username }) => after === undefined || username > after).slice(0, size)
    },
    { sizes },
  )
}

async function compare(users: readonly NamedUser[], before: RoleRules, after: RoleRules) {
  const changes: RoleChange[] = []
  const counts = await compareRoles({ page: createPage(users), before, after, onChange: (one) => changes.push(one) })
  return { changes, counts }
}

test('a comparison names who gains roles, who loses roles, and who would get none, by the stored groups', async () => {
  const users = [
    user('alice', ['admins']),
    user('bob', ['devs']),
    user('carol', ['ops']),
    user('dave', ['admins', 'devs']),
    user('erin', ['others']),
  ]
  const before = rules({ admins: ['viewer'], devs: ['dev'], ops: ['ops'] })
  const after = rules({ admins: ['viewer', 'superuser'], devs: ['dev'] })
  const { changes, counts } = await compare(users, before, after)
  assert.deepEqual(changes, [
    { username: 'alice', gains: ['superuser'], loses: [], hasNoRole: false },
    { username: 'carol', gains: [], loses: ['ops'], hasNoRole: true },
    { username: 'dave', gains: ['superuser'], loses: [], hasNoRole: false },
  ])
  assert.deepEqual(counts, { managed: 5, gaining: 2, losing: 1, denied: 1, unknown: 0, isIncomplete: false })
  assert.equal(describeChanges(counts), 'of 5 managed users, 2 gain roles, 1 loses roles, 1 would get no role')
})

test('a comparison waits until each change is written, so that a slow reader does not fill the memory', async () => {
  const users = ['alice', 'bob', 'carol'].map((name) => user(name, ['admins']))
  let writing = 0
  const onChange = async () => {
    assert.equal(++writing, 1)
    await new Promise((resolve) => setImmediate(resolve))
    writing--
  }
  const options = { before: rules({}), after: rules({ admins: ['viewer'] }), onChange }
  assert.equal((await compareRoles({ page: createPage(users), ...options })).gaining, 3)
})

test('a comparison applies default_roles and group_whitelist as sign-ins do', async () => {
  const users = [user('alice', []), user('bob', ['staff'])]
  const before = rules({}, { defaultRoles: ['viewer'] })
  const after = rules({}, { defaultRoles: ['viewer'], allowedGroups: ['STAFF'] })
  const { changes } = await compare(users, before, after)
  assert.deepEqual(changes, [{ username: 'alice', gains: [], loses: ['viewer'], hasNoRole: true }])
})

test('a comparison skips users that elastauth does not manage, and counts those without stored groups as unknown', async () => {
  const users = [user('alice', ['a'], {}), user('bob', 'a'), user('carol', ['a'])]
  const { changes, counts } = await compare(users, rules({}), rules({ a: ['r'] }))
  assert.deepEqual(
    changes.map(({ username }) => username),
    ['carol'],
  )
  assert.deepEqual(counts, { managed: 2, gaining: 1, losing: 0, denied: 0, unknown: 1, isIncomplete: false })
})

test('a comparison reads all pages, and smaller ones if a page is too long for a response', async () => {
  const names = Array.from({ length: 250 }, (_, i) => String(i).padStart(4, '0'))
  const page = createPage(
    names.map((name) => user(name, ['a'])),
    (size) => size > 30,
  )
  const { managed } = await compareRoles({ page, before: rules({}), after: rules({}) })
  assert.equal(managed, 250)
  assert.deepEqual(new Set(page.sizes), new Set([100, 10]))
})

test('a comparison fails if a small page cannot be read either', async () => {
  const page = createPage([], () => true)
  await assert.rejects(compareRoles({ page, before: rules({}), after: rules({}) }), {
    code: 'elasticsearch_unavailable',
  })
})

test('a comparison with a limit stops after that many users, and says so', async () => {
  const names = Array.from({ length: 250 }, (_, i) => String(i).padStart(4, '0'))
  const page = createPage(names.map((name) => user(name, ['a'])))
  const counts = await compareRoles({ page, before: rules({}), after: rules({}), maxUsers: 200 })
  assert.equal(counts.managed, 200)
  assert.match(describeChanges(counts), /^of the first 200 managed users, /)
})
