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
    userinfo = true,
    answer,
  }: { expiresAtMs?: number; userinfo?: boolean; answer?: Claims } = {},
) {
  const asked: (string | undefined)[] = []
  const check = createCheckToken({
    validation,
    verifyToken: async () => ({ claims, expiresAtMs }),
    async fetchUserinfo(_token, subject) {
      asked.push(subject)
      return answer ?? { sub: 'bob', name: 'of userinfo', groups: ['new'] }
    },
    introspect: async () => claims,
    combineClaims: createCombineClaims({ username: 'name', email: 'email', groups: 'groups' }),
    hasUserinfoEndpoint: async () => userinfo,
    requiredClaims: ['name', 'realm.groups'],
    ttlMs,
    monotonicNow: () => uptime,
  })
  return { check, asked }
}

describe('how long the claims hold', () => {
  const inSeconds = (seconds: number) => Math.floor(now / 1000) + seconds
  const never = Number.POSITIVE_INFINITY
  const rows: [what: string, ...Parameters<typeof create>, until: number, checkAt: number | undefined][] = [
    ['jwks: to the token’s end', 'jwks', {}, {}, now + 60_000, undefined],
    ['both: to the token’s end, and checked again', 'both', { sub: 'bob' }, {}, now + 60_000, uptime + ttlMs],
    ['userinfo: checked again', 'userinfo', {}, {}, never, uptime + ttlMs],
    [
      'introspection: to the token’s end, and checked again',
      'introspection',
      { sub: 'bob', exp: inSeconds(60) },
      {},
      now + 60_000,
      uptime + ttlMs,
    ],
    ['introspection that knows no end: checked again', 'introspection', { sub: 'bob' }, {}, never, uptime + ttlMs],
  ]
  for (const [what, validation, claims, options, until, checkAt] of rows)
    test(what, async () => {
      const checked = await create(validation, claims, options).check('token')
      assert.deepEqual([checked.expiresAtMs, checked.recheckAtMs], [until, checkAt])
    })
})

test('both: userinfo’s claims over the token’s, for the token’s subject', async () => {
  const { check, asked } = create('both', { sub: 'bob', name: 'of the token', groups: ['old'], azp: 'x' })
  const { claims } = await check('token')
  assert.deepEqual(claims, { sub: 'bob', name: 'of userinfo', groups: ['new'], azp: 'x' })
  assert.deepEqual(asked, ['bob'])
})

test('introspection: userinfo is asked only where something is missing, and there is one', async () => {
  const whole = { sub: 'bob', name: 'Bob', realm: { groups: [] } }
  const cases: [claims: Claims, userinfo: boolean, asked: string[]][] = [
    [whole, true, []],
    [{ ...whole, name: undefined }, true, ['bob']],
    [{ ...whole, realm: {} }, true, ['bob']],
    [{ ...whole, realm: {} }, false, []],
  ]
  for (const [claims, userinfo, expected] of cases) {
    const { check, asked } = create('introspection', claims, { userinfo })
    await check('token')
    assert.deepEqual(asked, expected)
  }
})

for (const validation of ['both', 'introspection'] as const) {
  test(`${validation}: a token without a subject is refused before userinfo could name one`, async () => {
    const { check, asked } = create(validation, { sub: 7 })
    await assert.rejects(check('token'), { code: 'token_invalid' })
    assert.deepEqual(asked, [])
  })
}

test('both: groups that userinfo gave before and now omits do not come back from the token', async () => {
  const token = { sub: 'bob', groups: ['old'], aud: 'us' }
  const first = await create('both', token).check('token')
  assert.deepEqual([first.claims.groups, first.fromUserinfo], [['new'], ['sub', 'groups']])
  const again = await create('both', token, { answer: { sub: 'bob' } }).check('token', first.fromUserinfo)
  assert.deepEqual([again.claims, again.fromUserinfo], [{ sub: 'bob', aud: 'us', groups: [] }, ['sub', 'groups']])
  const never = await create('both', token, { answer: { sub: 'bob' } }).check('token')
  assert.deepEqual(never.claims.groups, ['old'])
})

test('both: the token’s email_verified does not vouch for another address of userinfo', async () => {
  const token = { sub: 'bob', email: 'a@x', email_verified: true }
  for (const before of [undefined, ['sub']]) {
    const { claims } = await create('both', token, { answer: { sub: 'bob', email: 'b@x' } }).check('token', before)
    assert.equal(claims.email_verified, false)
  }
})
