import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CheckTokenOptions, createCheckToken } from '../../../../src/providers/oidc/check-token.ts'
import type { Claims } from '../../../../src/providers/oidc/claims.ts'
import { createCombineClaims } from '../../../../src/providers/oidc/combine-claims.ts'

const now = 1_800_000_000_000
const ttlMs = 30_000
const uptime = 1000

function create(
  validation: CheckTokenOptions['validation'],
  claims: Claims,
  {
    expiresAtMs = now + 60_000,
    hasUserinfo = true,
    userinfo,
  }: { expiresAtMs?: number; hasUserinfo?: boolean; userinfo?: Claims } = {},
) {
  /** The subjects of the calls to userinfo. */
  const subjects: (string | undefined)[] = []
  const check = createCheckToken({
    validation,
    verifyToken: async () => ({ claims, expiresAtMs }),
    async fetchUserinfo(_token, subject) {
      subjects.push(subject)
      return userinfo ?? { sub: 'bob', name: 'of userinfo', groups: ['new'] }
    },
    introspect: async () => claims,
    combineClaims: createCombineClaims({ username: 'name', email: 'email', groups: 'groups' }),
    hasUserinfoEndpoint: async () => hasUserinfo,
    requiredClaims: ['name', 'realm.groups'],
    ttlMs,
    monotonicNow: () => uptime,
  })
  return { check, subjects }
}

describe('validity of the claims', () => {
  const inSeconds = (seconds: number) => Math.floor(now / 1000) + seconds
  const never = Number.POSITIVE_INFINITY
  const rows: [what: string, ...Parameters<typeof create>, expiresAtMs: number, recheckAtMs: number | undefined][] = [
    ['jwks: valid until the token expires', 'jwks', {}, {}, now + 60_000, undefined],
    [
      'both: valid until the token expires, and checked again after the TTL',
      'both',
      { sub: 'bob' },
      {},
      now + 60_000,
      uptime + ttlMs,
    ],
    ['userinfo: checked again after the TTL', 'userinfo', {}, {}, never, uptime + ttlMs],
    [
      'introspection: valid until the token expires, and checked again after the TTL',
      'introspection',
      { sub: 'bob', exp: inSeconds(60) },
      {},
      now + 60_000,
      uptime + ttlMs,
    ],
    [
      'introspection without exp: checked again after the TTL',
      'introspection',
      { sub: 'bob' },
      {},
      never,
      uptime + ttlMs,
    ],
  ]
  for (const [what, validation, claims, options, expiresAtMs, recheckAtMs] of rows)
    test(what, async () => {
      const checked = await create(validation, claims, options).check('token')
      assert.deepEqual([checked.expiresAtMs, checked.recheckAtMs], [expiresAtMs, recheckAtMs])
    })
})

test('both: claims of userinfo take precedence, and userinfo is asked about the subject of the token', async () => {
  const { check, subjects } = create('both', { sub: 'bob', name: 'of the token', groups: ['old'], azp: 'x' })
  const { claims } = await check('token')
  assert.deepEqual(claims, { sub: 'bob', name: 'of userinfo', groups: ['new'], azp: 'x' })
  assert.deepEqual(subjects, ['bob'])
})

test('introspection: userinfo is asked only if a claim is missing and the provider has the endpoint', async () => {
  const complete = { sub: 'bob', name: 'Bob', realm: { groups: [] } }
  const cases: [claims: Claims, hasUserinfo: boolean, subjects: string[]][] = [
    [complete, true, []],
    [{ ...complete, name: undefined }, true, ['bob']],
    [{ ...complete, realm: {} }, true, ['bob']],
    [{ ...complete, realm: {} }, false, []],
  ]
  for (const [claims, hasUserinfo, expected] of cases) {
    const { check, subjects } = create('introspection', claims, { hasUserinfo })
    await check('token')
    assert.deepEqual(subjects, expected)
  }
})

for (const validation of ['both', 'introspection'] as const) {
  test(`${validation}: a token without a valid subject is rejected before userinfo is asked`, async () => {
    const { check, subjects } = create(validation, { sub: 7 })
    await assert.rejects(check('token'), { code: 'token_invalid' })
    assert.deepEqual(subjects, [])
  })
}

test('both: groups that userinfo returned before and now omits are not restored from the token', async () => {
  const token = { sub: 'bob', groups: ['old'], aud: 'us' }
  const first = await create('both', token).check('token')
  assert.deepEqual([first.claims.groups, first.fromUserinfo], [['new'], ['sub', 'groups']])
  const again = await create('both', token, { userinfo: { sub: 'bob' } }).check('token', first.fromUserinfo)
  assert.deepEqual([again.claims, again.fromUserinfo], [{ sub: 'bob', aud: 'us', groups: [] }, ['sub', 'groups']])
  const never = await create('both', token, { userinfo: { sub: 'bob' } }).check('token')
  assert.deepEqual(never.claims.groups, ['old'])
})

test('both: email_verified of the token does not apply to another address of userinfo', async () => {
  const token = { sub: 'bob', email: 'a@x', email_verified: true }
  for (const previous of [undefined, ['sub']]) {
    const { claims } = await create('both', token, { userinfo: { sub: 'bob', email: 'b@x' } }).check('token', previous)
    assert.equal(claims.email_verified, false)
  }
})
