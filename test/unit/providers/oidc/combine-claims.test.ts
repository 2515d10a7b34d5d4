import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type CombinedClaims,
  createCombineClaims,
  type ReceivedClaims,
  type SourcedClaims,
} from '../../../../src/providers/oidc/combine-claims.ts'

const mappings = { username: 'preferred_username', email: 'email', groups: 'realm_access.roles' }
const combine = createCombineClaims(mappings)
const name = { preferred_username: 'bob' }
/** Groups that a source no longer returns become an empty list, which is not the same as a missing claim. */
const lostGroups = { 'realm_access.roles': [] }
const roles = (...list: string[]) => ({ realm_access: { roles: list } })

type Row = readonly [
  what: string,
  signIn: ReceivedClaims,
  refresh: ReceivedClaims,
  claims: Record<string, unknown>,
  isFresh: boolean,
]

describe('claims after a refresh', () => {
  const rows: Row[] = [
    [
      'drop groups that userinfo gave and now omits, when there is no ID token',
      { idToken: name, userinfo: roles('admin') },
      { userinfo: name },
      { ...name, ...lostGroups },
      true,
    ],
    [
      'drop groups that both sources gave when userinfo now omits them and there is no ID token',
      { idToken: { ...name, ...roles('admin') }, userinfo: { ...name, ...roles('admin') } },
      { userinfo: name },
      { ...name, ...lostGroups },
      true,
    ],
    [
      'drop groups that the ID token gave and a new ID token omits',
      { idToken: { ...name, ...roles('admin') }, userinfo: {} },
      { idToken: name, userinfo: {} },
      { ...name, ...lostGroups },
      true,
    ],
    [
      'drop groups that userinfo gave and now omits, when a new ID token never had them',
      { idToken: name, userinfo: roles('admin') },
      { idToken: name, userinfo: {} },
      { ...name, ...lostGroups },
      true,
    ],
    [
      'keep groups of the ID token as not fresh when there is no new ID token and userinfo omits them',
      { idToken: { ...name, ...roles('admin') }, userinfo: name },
      { userinfo: name },
      { ...name, ...roles('admin') },
      false,
    ],
    [
      'keep groups of userinfo as not fresh when userinfo was not asked',
      { idToken: name, userinfo: roles('admin') },
      { idToken: name },
      { ...name, ...roles('admin') },
      false,
    ],
    [
      'keep everything as not fresh when no source was asked',
      { idToken: { ...name, ...roles('admin') } },
      {},
      { ...name, ...roles('admin') },
      false,
    ],
    [
      'take groups from userinfo in place of older groups from the ID token',
      { idToken: { ...name, ...roles('admin') }, userinfo: name },
      { userinfo: { ...name, ...roles('staff') } },
      { ...name, ...roles('staff') },
      true,
    ],
    [
      'take groups from a new ID token in place of older groups from userinfo',
      { idToken: name, userinfo: roles('admin') },
      { idToken: { ...name, ...roles('staff') } },
      { ...name, ...roles('staff') },
      true,
    ],
    [
      'are fresh although a claim other than username and groups comes from a source that was not asked',
      { idToken: { ...name, auth_time: 1 }, userinfo: { ...name, ...roles('admin') } },
      { userinfo: { ...name, ...roles('staff') } },
      { ...name, auth_time: 1, ...roles('staff') },
      true,
    ],
    [
      'are not fresh when the username comes from a source that was not asked',
      { idToken: name, userinfo: roles('admin') },
      { userinfo: roles('admin') },
      { ...name, ...roles('admin') },
      false,
    ],
    [
      'keep an empty list of groups',
      { userinfo: { ...name, ...roles('admin') } },
      { userinfo: { ...name, ...roles() } },
      { ...name, ...roles() },
      true,
    ],
  ]
  for (const [what, signIn, refresh, claims, isFresh] of rows) {
    test(`claims after a refresh ${what}`, () => {
      const { claims: found, isFresh: fresh } = combine(refresh, combine(signIn))
      assert.deepEqual({ claims: found, isFresh: fresh }, { claims, isFresh })
    })
  }

  test('claims after a second refresh drop groups that userinfo gave in the first', () => {
    const signedIn = combine({ idToken: { ...name, ...roles('admin') }, userinfo: name })
    const first = combine({ userinfo: { ...name, ...roles('admin') } }, signedIn)
    assert.deepEqual(combine({ userinfo: name }, first).claims, { ...name, ...lostGroups })
  })

  test('claims after a refresh without userinfo keep the groups from userinfo, until userinfo omits them in another refresh', () => {
    const signedIn = combine({ idToken: name, userinfo: roles('admin') })
    const first = combine({ idToken: name }, signedIn)
    assert.deepEqual(first.claims, { ...name, ...roles('admin') })
    assert.deepEqual(combine({ userinfo: {} }, first).claims, { ...name, ...lostGroups })
  })

  test('claims after a refresh contain no groups claim if no source ever gave groups, and an empty list once a source stops giving them', () => {
    assert.deepEqual(combine({ userinfo: name }, combine({ userinfo: name })).claims, name)
    let session = combine({ userinfo: { ...name, ...roles('admin') } })
    for (let refresh = 0; refresh < 3; refresh++) {
      session = combine({ userinfo: name }, session)
      assert.deepEqual([session.claims, session.isFresh], [{ ...name, ...lostGroups }, true])
    }
    session = combine({ userinfo: { ...name, 'realm_access.roles': ['staff'] } }, session)
    assert.deepEqual(session.claims['realm_access.roles'], ['staff'])
    session = combine({ userinfo: { ...name, ...roles('staff') } }, session)
    assert.deepEqual(session.claims, { ...name, ...roles('staff') })
  })

  test('claims after a refresh do not contain an empty list of groups when the provider omits the groups because there are too many', () => {
    for (const reference of [{ _claim_names: { groups: 'src1' } }, { hasgroups: true }]) {
      const signedIn = combine({ idToken: { ...name, ...roles('admin') } })
      assert.deepEqual(combine({ idToken: { ...name, ...reference } }, signedIn).claims, { ...name, ...reference })
    }
  })

  test('claims after a refresh of a session without recorded sources are not fresh until a new ID token arrives', () => {
    const former: SourcedClaims = { claims: { ...name, ...roles('admin') }, fromUserinfo: [] }
    const kept = combine({ userinfo: name }, former)
    assert.deepEqual([kept.claims, kept.isFresh], [former.claims, false])
    const renewed = combine({ idToken: name, userinfo: {} }, kept)
    assert.deepEqual([renewed.claims, renewed.isFresh], [{ ...name, ...lostGroups }, true])
  })

  test('claims that are named like properties of every object are combined like any other claims', () => {
    const odd = JSON.parse('{"__proto__": {"roles": ["admin"]}, "constructor": 1, "preferred_username": "bob"}')
    const combined = combine({ userinfo: { constructor: 2 } }, combine({ idToken: odd }))
    assert.deepEqual(Object.keys(combined.claims).sort(), ['__proto__', 'constructor', 'preferred_username'])
    assert.equal(combined.claims.constructor, 2)
    assert.equal(Object.getPrototypeOf(combined.claims), Object.prototype)
  })
})

describe('email_verified', () => {
  const verified = (address: string) => ({ email: address, email_verified: true })
  const both = (given: ReceivedClaims, former?: CombinedClaims) => {
    const { email, email_verified } = combine(given, former).claims
    return [email, email_verified]
  }

  test('email_verified of the ID token does not apply to another address of userinfo', () => {
    assert.deepEqual(both({ idToken: verified('a@x'), userinfo: { email: 'b@x' } }), ['b@x', false])
    assert.deepEqual(both({ idToken: verified('a@x'), userinfo: { email: 'a@x' } }), ['a@x', true])
    assert.deepEqual(both({ idToken: { email_verified: true }, userinfo: { email: 'b@x' } }), ['b@x', true])
  })

  test('email_verified of the sign-in does not apply to a new address after a refresh', () => {
    const byIdToken = combine({ idToken: verified('a@x') })
    assert.deepEqual(both({ userinfo: { email: 'b@x' } }, byIdToken), ['b@x', false])
    assert.deepEqual(both({ userinfo: { email: 'a@x' } }, byIdToken), ['a@x', true])
    const byUserinfo = combine({ userinfo: verified('a@x') })
    assert.deepEqual(both({ userinfo: { email: 'b@x' } }, byUserinfo), ['b@x', false])
    assert.deepEqual(both({ idToken: { email: 'b@x' } }, byUserinfo), ['b@x', false])
    assert.deepEqual(both({ userinfo: verified('b@x') }, byUserinfo), ['b@x', true])
  })

  test('email_verified that is false for a new address is still false in the next refresh', () => {
    const unverified = combine({ userinfo: { email: 'b@x' } }, combine({ idToken: verified('a@x') }))
    assert.deepEqual(both({ userinfo: { email: 'b@x' } }, unverified), ['b@x', false])
    assert.deepEqual(both({ userinfo: verified('b@x') }, unverified), ['b@x', true])
  })

  test('email_verified is not added for a provider that never sends it', () => {
    const signedIn = combine({ userinfo: { email: 'a@x' } })
    assert.deepEqual(both({ userinfo: { email: 'b@x' } }, signedIn), ['b@x', undefined])
  })

  test('email_verified applies to the claim that is mapped to the email address', () => {
    const combineMail = createCombineClaims({ ...mappings, email: 'mail' })
    const signedIn = combineMail({ idToken: { mail: 'a@x', email_verified: true } })
    assert.equal(combineMail({ userinfo: { mail: 'b@x' } }, signedIn).claims.email_verified, false)
    assert.equal(combineMail({ userinfo: { email: 'b@x', mail: 'a@x' } }, signedIn).claims.email_verified, true)
  })
})
