import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createToIdentity, findClaim, type ToIdentityOptions } from '../../../../src/providers/oidc/claims.ts'

const claimMappings = { username: 'preferred_username', email: 'email', groups: 'groups', full_name: 'name' }
const map = (claims: Record<string, unknown>, options: Partial<ToIdentityOptions> = {}) =>
  createToIdentity({ claimMappings, provider: 'oidc', ...options })({ preferred_username: 'bob', ...claims })
const groupsOf = (groups: unknown, options?: Partial<ToIdentityOptions>) => map({ groups }, options).groups

test('all four claims', () => {
  const identity = map({ name: 'Bob', email: 'bob@example.com', groups: ['a', 'b', 'a'] })
  const expected = { username: 'bob', groups: ['a', 'b'], email: 'bob@example.com', name: 'Bob', provider: 'oidc' }
  assert.deepEqual(identity, expected)
  assert.ok(Object.isFrozen(identity) && Object.isFrozen(identity.groups))
})

describe('a claim by its path', () => {
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
    test(JSON.stringify(path), () => assert.deepEqual(findClaim(claims, path), found))
  }
})

test('groups are missing in a token without the groups claim, but not in one with an empty list', () => {
  for (const groups of [undefined, null]) assert.equal(map({ groups }).groupsMissing, true)
  for (const groups of [[], '', ['other']]) {
    assert.ok(!('groupsMissing' in map({ groups }, { stripGroupPrefix: 'elastic-' })))
  }
})

describe('groups', () => {
  const good: [what: string, claim: unknown, groups: string[]][] = [
    ['no claim', undefined, []],
    ['null', null, []],
    ['an empty list', [], []],
    ['one as a text, with commas of its own', 'cn=admins,ou=groups', ['cn=admins,ou=groups']],
    ['an empty text', '', []],
    ['blanks are part of a name', [' admins', '\u00a0admins'], [' admins', '\u00a0admins']],
    [
      '5,000, for the check to refuse',
      Array.from({ length: 5000 }, (_, i) => `${i}`),
      Array.from({ length: 5000 }, (_, i) => `${i}`),
    ],
  ]
  for (const [what, claim, groups] of good) test(what, () => assert.deepEqual(groupsOf(claim), groups))

  for (const claim of [7, true, {}, { roles: ['a'] }, ['a', 7], [['a']], ['a', null]]) {
    test(`${JSON.stringify(claim)} is refused, never guessed`, () =>
      assert.throws(() => groupsOf(claim), { code: 'identity_invalid', message: /not a list of strings/ }))
  }

  test('a text is taken apart where somebody says how', () => {
    assert.deepEqual(groupsOf('a; b ;;c', { groupsSeparator: ';' }), ['a', 'b', 'c'])
    assert.deepEqual(groupsOf(['a;b'], { groupsSeparator: ';' }), ['a;b'])
  })

  test('with a prefix to strip, those without it do not count', () => {
    const groups = ['elastic-admins', 'admins', 'elastic-', 'Elastic-x', 'elastic-admins']
    assert.deepEqual(groupsOf(groups, { stripGroupPrefix: 'elastic-' }), ['admins'])
    assert.deepEqual(groupsOf(['/admins/eu'], { stripGroupPrefix: '/' }), ['admins/eu'])
  })

  const left: [what: string, claims: Record<string, unknown>][] = [
    ['Entra ID’s reference', { _claim_names: { groups: 'src1' } }],
    ['Entra ID’s hasgroups', { hasgroups: true }],
    ['Entra ID’s hasgroups as a text', { hasgroups: 'true' }],
  ]
  for (const [what, claims] of left)
    test(`${what}: left out is not the same as none`, () =>
      assert.throws(() => map(claims), { code: 'identity_invalid', message: /too many/ }))

  test('a reference for another claim is no matter', () => {
    assert.deepEqual(map({ _claim_names: { address: 'src1' }, _claim_sources: {} }).groups, [])
  })
})

describe('the username', () => {
  const bad = [undefined, null, '', 7, ['bob'], { name: 'bob' }]
  for (const claim of bad) {
    test(`${JSON.stringify(claim)} is refused, and the log learns which claim it should be`, () =>
      assert.throws(() => map({ preferred_username: claim }), {
        code: 'identity_invalid',
        message: /preferred_username \(oidc\.claim_mappings\.username\)/,
      }))
  }

  test('with a prefix before it', () => {
    assert.equal(map({}, { addUsernamePrefix: 'oidc-' }).username, 'oidc-bob')
  })

  const byEmail = { claimMappings: { ...claimMappings, username: 'email' } }
  const byUpn = { claimMappings: { ...claimMappings, username: 'upn', email: 'mail' } }
  const unverified: [
    what: string,
    claims: Record<string, unknown>,
    options: Partial<ToIdentityOptions>,
    isGood: boolean,
  ][] = [
    ['verified', { email: 'a@b', email_verified: true }, byEmail, true],
    ['verified, as a text', { email: 'a@b', email_verified: 'true' }, byEmail, true],
    ['nobody says', { email: 'a@b' }, byEmail, true],
    ['not verified', { email: 'a@b', email_verified: false }, byEmail, false],
    ['not verified, as a text', { email: 'a@b', email_verified: 'false' }, byEmail, false],
    ['another claim is not about it', { upn: 'a@b', mail: 'c@d', email_verified: false }, byUpn, true],
  ]
  for (const [what, claims, options, isGood] of unverified) {
    test(`an e-mail address: ${what}`, () => {
      if (isGood) assert.equal(map(claims, options).username, 'a@b')
      else assert.throws(() => map(claims, options), { code: 'identity_invalid', message: /not verified/ })
    })
  }
})

test('an e-mail address that is known to be unverified is left out', () => {
  assert.equal(map({ email: 'a@b', email_verified: false }).email, undefined)
})

test('what is thrown does not repeat the claims', () => {
  assert.throws(
    () => map({ groups: ['hunter2', 7] }),
    ({ message }: Error) => !message.includes('hunter2'),
  )
})
