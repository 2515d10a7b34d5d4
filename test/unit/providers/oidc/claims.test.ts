import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createToIdentity, findClaim, type ToIdentityOptions } from '../../../../src/providers/oidc/claims.ts'

const claimMappings = { username: 'preferred_username', email: 'email', groups: 'groups', full_name: 'name' }
const map = (claims: Record<string, unknown>, options: Partial<ToIdentityOptions> = {}) =>
  createToIdentity({ claimMappings, provider: 'oidc', ...options })({ preferred_username: 'bob', ...claims })
const groupsOf = (groups: unknown, options?: Partial<ToIdentityOptions>) => map({ groups }, options).groups

test('username, groups, email address and name are read from the mapped claims', () => {
  const identity = map({ name: 'Bob', email: 'bob@example.com', groups: ['a', 'b', 'a'] })
  const expected = { username: 'bob', groups: ['a', 'b'], email: 'bob@example.com', name: 'Bob', provider: 'oidc' }
  assert.deepEqual(identity, expected)
  assert.ok(Object.isFrozen(identity) && Object.isFrozen(identity.groups))
})

describe('findClaim', () => {
  const claims = JSON.parse(
    '{"a":{"b":{"c":1}},"b":{"c":{"d":8},"c.d":2},"https://example.com/groups":3,"x.y":{"z":4},"x":{"y":{"w":5}},"list":[6],"__proto__":{"p":7},"nothing":null}',
  )
  const paths: [path: string, found: unknown][] = [
    ['a.b.c', 1],
    ['b.c.d', 2],
    ['https://example.com/groups', 3],
    ['x.y.z', 4],
    ['x.y.w', 5],
    ['x.y', { z: 4 }],
    ['list.0', undefined],
    ['list.length', undefined],
    ['constructor', undefined],
    ['constructor.name', undefined],
    ['a.toString', undefined],
    ['a.__proto__', undefined],
    ['a.__proto__.toString', undefined],
    ['nothing.at.all', undefined],
    ['a.', undefined],
    ['.', undefined],
    ['', undefined],
  ]
  for (const [path, found] of paths) {
    test(`finds ${JSON.stringify(found)} at the path ${JSON.stringify(path)}`, () =>
      assert.deepEqual(findClaim(claims, path), found))
  }
})

test('groups are missing in a token without the groups claim, but not in a token with an empty list', () => {
  for (const groups of [undefined, null]) assert.equal(map({ groups }).groupsMissing, true)
  for (const groups of [[], '', ['other']]) {
    assert.ok(!('groupsMissing' in map({ groups }, { stripGroupPrefix: 'elastic-' })))
  }
})

describe('the groups claim', () => {
  const valid: [what: string, claim: unknown, groups: string[]][] = [
    ['without a value gives no groups', undefined, []],
    ['with null gives no groups', null, []],
    ['with an empty list gives no groups', [], []],
    ['with commas in a string gives one group', 'cn=admins,ou=groups', ['cn=admins,ou=groups']],
    ['with an empty string gives no groups', '', []],
    ['keeps spaces as part of a group name', [' admins', '\u00a0admins'], [' admins', '\u00a0admins']],
    [
      'keeps 5,000 groups for checkIdentity to reject',
      Array.from({ length: 5000 }, (_, i) => `${i}`),
      Array.from({ length: 5000 }, (_, i) => `${i}`),
    ],
  ]
  for (const [what, claim, groups] of valid)
    test(`the groups claim ${what}`, () => assert.deepEqual(groupsOf(claim), groups))

  for (const claim of [7, true, {}, { roles: ['a'] }, ['a', 7], [['a']], ['a', null]]) {
    test(`rejects the groups claim ${JSON.stringify(claim)}`, () =>
      assert.throws(() => groupsOf(claim), { code: 'identity_invalid', message: /not a list of strings/ }))
  }

  test('oidc.groups_separator splits a string into groups, but not the strings of a list', () => {
    assert.deepEqual(groupsOf('a; b ;;c', { groupsSeparator: ';' }), ['a', 'b', 'c'])
    assert.deepEqual(groupsOf(['a;b'], { groupsSeparator: ';' }), ['a;b'])
  })

  test('oidc.strip_group_prefix is removed from groups, and groups without the prefix are ignored', () => {
    const groups = ['elastic-admins', 'admins', 'elastic-', 'Elastic-x', 'elastic-admins']
    assert.deepEqual(groupsOf(groups, { stripGroupPrefix: 'elastic-' }), ['admins'])
    assert.deepEqual(groupsOf(['/admins/eu'], { stripGroupPrefix: '/' }), ['admins/eu'])
  })

  const omitted: [what: string, claims: Record<string, unknown>][] = [
    ["Entra ID's reference", { _claim_names: { groups: 'src1' } }],
    ["Entra ID's hasgroups", { hasgroups: true }],
    ["Entra ID's hasgroups as a string", { hasgroups: 'true' }],
  ]
  for (const [what, claims] of omitted)
    test(`rejects a token whose groups are omitted by ${what}, instead of treating them as an empty list`, () =>
      assert.throws(() => map(claims), { code: 'identity_invalid', message: /too many/ }))

  test("ignores Entra ID's _claim_names for claims other than groups", () => {
    assert.deepEqual(map({ _claim_names: { address: 'src1' }, _claim_sources: {} }).groups, [])
  })
})

describe('the username claim', () => {
  const invalid = [undefined, null, '', 7, ['bob'], { name: 'bob' }]
  for (const claim of invalid) {
    test(`rejects ${JSON.stringify(claim)} as a username, and names the claim in the log`, () =>
      assert.throws(() => map({ preferred_username: claim }), {
        code: 'identity_invalid',
        message: /preferred_username \(oidc\.claim_mappings\.username\)/,
      }))
  }

  test('oidc.add_username_prefix is added to the username', () => {
    assert.equal(map({}, { addUsernamePrefix: 'oidc-' }).username, 'oidc-bob')
  })

  const byEmail = { claimMappings: { ...claimMappings, username: 'email' } }
  const byUpn = { claimMappings: { ...claimMappings, username: 'upn', email: 'mail' } }
  const unverified: [
    what: string,
    claims: Record<string, unknown>,
    options: Partial<ToIdentityOptions>,
    isAccepted: boolean,
  ][] = [
    ['that is verified', { email: 'a@b', email_verified: true }, byEmail, true],
    ['with email_verified as the string true', { email: 'a@b', email_verified: 'true' }, byEmail, true],
    ['without email_verified', { email: 'a@b' }, byEmail, true],
    ['that is not verified', { email: 'a@b', email_verified: false }, byEmail, false],
    ['with email_verified as the string false', { email: 'a@b', email_verified: 'false' }, byEmail, false],
    [
      'in a claim that email_verified does not apply to',
      { upn: 'a@b', mail: 'c@d', email_verified: false },
      byUpn,
      true,
    ],
  ]
  for (const [what, claims, options, isAccepted] of unverified) {
    test(`an email address ${what} is ${isAccepted ? 'accepted' : 'rejected'} as the username`, () => {
      if (isAccepted) assert.equal(map(claims, options).username, 'a@b')
      else assert.throws(() => map(claims, options), { code: 'identity_invalid', message: /not verified/ })
    })
  }
})

test('an email address with email_verified false is omitted from the identity', () => {
  assert.equal(map({ email: 'a@b', email_verified: false }).email, undefined)
})

test('the error message for an invalid claim does not contain its value', () => {
  assert.throws(
    () => map({ groups: ['hunter2', 7] }),
    ({ message }: Error) => !message.includes('hunter2'),
  )
})
