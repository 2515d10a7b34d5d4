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

describe('how long checked claims are valid', () => {
  const inSeconds = (seconds: number) => Math.floor(now / 1000) + seconds
  const never = Number.POSITIVE_INFINITY
  const rows: [what: string, ...Parameters<typeof create>, expiresAtMs: number, recheckAtMs: number | undefined][] = [
    [
      'token_validation jwks gives claims that are valid until the token expires',
      'jwks',
      {},
      {},
      now + 60_000,
      undefined,
    ],
    [
      'token_validation both gives claims that are valid until the token expires, and are checked again after the TTL',
      'both',
      { sub: 'bob' },
      {},
      now + 60_000,
      uptime + ttlMs,
    ],
    [
      'token_validation userinfo gives claims that are checked again after the TTL',
      'userinfo',
      {},
      {},
      never,
      uptime + ttlMs,
    ],
    [
      'token_validation introspection gives claims that are valid until the token expires, and are checked again after the TTL',
      'introspection',
      { sub: 'bob', exp: inSeconds(60) },
      {},
      now + 60_000,
      uptime + ttlMs,
    ],
    [
      'token_validation introspection without exp gives claims that are checked again after the TTL',
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

test("token_validation both asks userinfo about the token's subject, and prefers the claims of userinfo", async () => {
  const { check, subjects } = create('both', { sub: 'bob', name: 'of the token', groups: ['old'], azp: 'x' })
  const { claims } = await check('token')
  assert.deepEqual(claims, { sub: 'bob', name: 'of userinfo', groups: ['new'], azp: 'x' })
  assert.deepEqual(subjects, ['bob'])
})

test('token_validation introspection calls userinfo only if a claim is missing and the provider has the endpoint', async () => {
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
  test(`token_validation ${validation} rejects a token without a valid subject before calling userinfo`, async () => {
    const { check, subjects } = create(validation, { sub: 7 })
    await assert.rejects(check('token'), { code: 'token_invalid' })
    assert.deepEqual(subjects, [])
  })
}

test('token_validation both does not restore from the token groups that userinfo returned before and now omits', async () => {
  const token = { sub: 'bob', groups: ['old'], aud: 'us' }
  const first = await create('both', token).check('token')
  assert.deepEqual([first.claims.groups, first.fromUserinfo], [['new'], ['sub', 'groups']])
  const again = await create('both', token, { userinfo: { sub: 'bob' } }).check('token', first.fromUserinfo)
  assert.deepEqual([again.claims, again.fromUserinfo], [{ sub: 'bob', aud: 'us', groups: [] }, ['sub', 'groups']])
  const never = await create('both', token, { userinfo: { sub: 'bob' } }).check('token')
  assert.deepEqual(never.claims.groups, ['old'])
})

test("token_validation both does not apply the token's email_verified to another address from userinfo", async () => {
  const token = { sub: 'bob', email: 'a@x', email_verified: true }
  for (const previous of [undefined, ['sub']]) {
    const { claims } = await create('both', token, { userinfo: { sub: 'bob', email: 'b@x' } }).check('token', previous)
    assert.equal(claims.email_verified, false)
  }
})
