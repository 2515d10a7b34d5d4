import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Identity } from '../../../../src/auth/identity.ts'
import { type ErrorCode, GatewayError } from '../../../../src/http/errors.ts'
import { createTokenCache } from '../../../../src/providers/oidc/token-cache.ts'

function createFixture() {
  const fixture = {
    now: 1000,
    uptime: 0,
    /** Undefined if the token's signature is sufficient. */
    ttlMs: undefined as number | undefined,
    checked: [] as string[],
    fromUserinfo: [] as (readonly string[] | undefined)[],
    error: undefined as ErrorCode | undefined,
    gate: Promise.resolve(),
  }
  return Object.assign(fixture, {
    identify: createTokenCache({
      async checkToken(token, fromUserinfo) {
        fixture.checked.push(token)
        fixture.fromUserinfo.push(fromUserinfo)
        await fixture.gate
        if (fixture.error) throw new GatewayError(fixture.error, 'rejected')
        return {
          claims: { token, check: fixture.checked.length },
          expiresAtMs: fixture.now + 60_000,
          ...(fixture.ttlMs !== undefined && { recheckAtMs: fixture.uptime + fixture.ttlMs }),
          fromUserinfo: ['groups'],
        }
      },
      toIdentity: ({ token }) => Object.freeze({ username: String(token), groups: [], provider: 'oidc' }),
      now: () => fixture.now,
      monotonicNow: () => fixture.uptime,
    }),
  })
}

test('a token is checked once, and then gives the same identity object synchronously', async () => {
  const { identify, checked } = createFixture()
  const first = await identify('a')
  assert.equal(identify('a'), first)
  assert.deepEqual(checked, ['a'])
})

test('a token is cached until it expires, to the millisecond, and is not accepted again if the clock is set back', async () => {
  const fixture = createFixture()
  await fixture.identify('a')
  fixture.now += 59_999
  assert.ok(!(fixture.identify('a') instanceof Promise))
  fixture.now++
  fixture.error = 'token_expired'
  await assert.rejects(async () => fixture.identify('a'), { code: 'token_expired' })
  fixture.now -= 60_000
  await assert.rejects(async () => fixture.identify('a'), { code: 'token_expired' })
})

test('a token is checked again after the TTL even if the wall clock was set back', async () => {
  const fixture = createFixture()
  fixture.ttlMs = 30_000
  await fixture.identify('a')
  fixture.now -= 3_600_000
  fixture.uptime += 29_999
  assert.ok(!(fixture.identify('a') instanceof Promise))
  fixture.uptime++
  await fixture.identify('a')
  assert.deepEqual(fixture.checked, ['a', 'a'])
})

test('a rejected token is checked again after 10 s even if the wall clock was set back', async () => {
  const fixture = createFixture()
  fixture.error = 'token_invalid'
  await assert.rejects(async () => fixture.identify('a'))
  fixture.now -= 3_600_000
  fixture.uptime += 10_000
  fixture.error = undefined
  assert.equal((await fixture.identify('a')).username, 'a')
})

test('concurrent requests with a token share one check, and each gets the identity of its own token', async () => {
  const fixture = createFixture()
  const { promise, resolve } = Promise.withResolvers<void>()
  fixture.gate = promise
  const identities = Array.from({ length: 100 }, (_, i) => fixture.identify(`token-${i % 10}`))
  resolve()
  const found = (await Promise.all(identities)) as Identity[]
  assert.equal(fixture.checked.length, 10)
  found.forEach(({ username }, i) => {
    assert.equal(username, `token-${i % 10}`)
  })
})

test('tokens that differ only in their last character have separate identities', async () => {
  const { identify } = createFixture()
  const long = 'x'.repeat(16_000)
  assert.equal((await identify(`${long}a`)).username, `${long}a`)
  assert.equal((await identify(`${long}b`)).username, `${long}b`)
})

describe('rejected tokens', () => {
  test('a rejected token is checked again only after 10 s', async () => {
    const fixture = createFixture()
    fixture.error = 'token_invalid'
    for (let i = 0; i < 20; i++) {
      await assert.rejects(async () => fixture.identify('a'), { code: 'token_invalid' })
      fixture.uptime += 1000
    }
    assert.equal(fixture.checked.length, 2)
  })

  test('10,000 rejected tokens do not evict a valid token', async () => {
    const fixture = createFixture()
    const valid = await fixture.identify('good')
    fixture.error = 'token_invalid'
    for (let i = 0; i < 10_000; i++) await assert.rejects(async () => fixture.identify(`bad-${i}`))
    assert.equal(fixture.identify('good'), valid)
  })

  test('concurrent requests with an invalid token share one check, and all are rejected', async () => {
    const fixture = createFixture()
    fixture.error = 'token_invalid'
    const identities = Array.from({ length: 20 }, async () => fixture.identify('a'))
    const results = await Promise.allSettled(identities)
    assert.ok(results.every(({ status }) => status === 'rejected'))
    assert.equal(fixture.checked.length, 1)
  })
})

test('a failure of the provider is not cached, so the next request checks the token again', async () => {
  const fixture = createFixture()
  fixture.error = 'provider_unavailable'
  for (let i = 0; i < 3; i++) await assert.rejects(async () => fixture.identify('a'), { code: 'provider_unavailable' })
  assert.equal(fixture.checked.length, 3)
  fixture.error = undefined
  assert.equal((await fixture.identify('a')).username, 'a')
})

test('the token cache is limited to 64 Mi characters of identities, however short the tokens are', async () => {
  const checked: string[] = []
  const groups = Array.from({ length: 1024 }, () => 'x'.repeat(1024))
  const identify = createTokenCache({
    async checkToken(token) {
      checked.push(token)
      return { claims: {}, expiresAtMs: 1 }
    },
    toIdentity: () => Object.freeze({ username: 'bob', groups, provider: 'oidc' }),
    now: () => 0,
    monotonicNow: () => 0,
  })
  for (let i = 0; i < 64; i++) await identify(`${i}`)
  await identify('63')
  assert.equal(checked.length, 64)
  await identify('0')
  assert.equal(checked.length, 65)
})

test('a token check after an outage receives the names of the claims that userinfo returned before', async () => {
  const fixture = createFixture()
  await fixture.identify('a')
  fixture.now += 60_000
  fixture.error = 'provider_unavailable'
  await assert.rejects(async () => fixture.identify('a'))
  fixture.error = undefined
  await fixture.identify('a')
  assert.deepEqual(fixture.fromUserinfo, [undefined, ['groups'], ['groups']])
})
