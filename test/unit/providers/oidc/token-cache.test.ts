import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Identity } from '../../../../src/auth/identity.ts'
import { type ErrorCode, GatewayError } from '../../../../src/http/errors.ts'
import { createTokenCache } from '../../../../src/providers/oidc/token-cache.ts'

function createWorld() {
  const world = {
    now: 1000,
    uptime: 0,
    /** Undefined where the token's signature is enough. */
    ttl: undefined as number | undefined,
    checked: [] as string[],
    before: [] as (readonly string[] | undefined)[],
    error: undefined as ErrorCode | undefined,
    gate: Promise.resolve(),
  }
  return Object.assign(world, {
    identify: createTokenCache({
      async checkToken(token, fromUserinfo) {
        world.checked.push(token)
        world.before.push(fromUserinfo)
        await world.gate
        if (world.error) throw new GatewayError(world.error, 'refused')
        return {
          claims: { token, turn: world.checked.length },
          expiresAtMs: world.now + 60_000,
          ...(world.ttl !== undefined && { recheckAtMs: world.uptime + world.ttl }),
          fromUserinfo: ['groups'],
        }
      },
      toIdentity: ({ token }) => Object.freeze({ username: String(token), groups: [], provider: 'oidc' }),
      now: () => world.now,
      monotonicNow: () => world.uptime,
    }),
  })
}

test('checked once; from then on the same object, at once', async () => {
  const { identify, checked } = createWorld()
  const first = await identify('a')
  assert.equal(identify('a'), first)
  assert.deepEqual(checked, ['a'])
})

test('until its time is over, to the millisecond', async () => {
  const world = createWorld()
  await world.identify('a')
  world.now += 59_999
  assert.ok(!(world.identify('a') instanceof Promise))
  world.now++
  world.error = 'token_expired'
  await assert.rejects(async () => world.identify('a'), { code: 'token_expired' })
  world.now -= 60_000 // a clock set back brings nobody back
  await assert.rejects(async () => world.identify('a'), { code: 'token_expired' })
})

test('is checked again after its time even if the clock was set back', async () => {
  const world = createWorld()
  world.ttl = 30_000
  await world.identify('a')
  world.now -= 3_600_000
  world.uptime += 29_999
  assert.ok(!(world.identify('a') instanceof Promise))
  world.uptime++
  await world.identify('a')
  assert.deepEqual(world.checked, ['a', 'a'])
})

test('a token that was refused is checked again after 10 s even if the clock was set back', async () => {
  const world = createWorld()
  world.error = 'token_invalid'
  await assert.rejects(async () => world.identify('a'))
  world.now -= 3_600_000
  world.uptime += 10_000
  world.error = undefined
  assert.equal((await world.identify('a')).username, 'a')
})

test('many at once are one check, and each gets its own token’s identity', async () => {
  const world = createWorld()
  const { promise, resolve } = Promise.withResolvers<void>()
  world.gate = promise
  const asked = Array.from({ length: 100 }, (_, i) => world.identify(`token-${i % 10}`))
  resolve()
  const found = (await Promise.all(asked)) as Identity[]
  assert.equal(world.checked.length, 10)
  found.forEach(({ username }, i) => {
    assert.equal(username, `token-${i % 10}`)
  })
})

test('tokens that differ in their last character are two', async () => {
  const { identify } = createWorld()
  const long = 'x'.repeat(16_000)
  assert.equal((await identify(`${long}a`)).username, `${long}a`)
  assert.equal((await identify(`${long}b`)).username, `${long}b`)
})

describe('a bad token', () => {
  test('is checked again only after 10 s', async () => {
    const world = createWorld()
    world.error = 'token_invalid'
    for (let i = 0; i < 20; i++) {
      await assert.rejects(async () => world.identify('a'), { code: 'token_invalid' })
      world.uptime += 1000
    }
    assert.equal(world.checked.length, 2)
  })

  test('10,000 of them push no good one out', async () => {
    const world = createWorld()
    const good = await world.identify('good')
    world.error = 'token_invalid'
    for (let i = 0; i < 10_000; i++) await assert.rejects(async () => world.identify(`bad-${i}`))
    assert.equal(world.identify('good'), good)
  })

  test('that many ask for at once is refused to all of them by one check', async () => {
    const world = createWorld()
    world.error = 'token_invalid'
    const asked = Array.from({ length: 20 }, async () => world.identify('a'))
    const results = await Promise.allSettled(asked)
    assert.ok(results.every(({ status }) => status === 'rejected'))
    assert.equal(world.checked.length, 1)
  })
})

test('the provider’s failure is nobody’s fault: the next request tries again', async () => {
  const world = createWorld()
  world.error = 'provider_unavailable'
  for (let i = 0; i < 3; i++) await assert.rejects(async () => world.identify('a'), { code: 'provider_unavailable' })
  assert.equal(world.checked.length, 3)
  world.error = undefined
  assert.equal((await world.identify('a')).username, 'a')
})

test('memory is bounded: 64 Mi characters of identities are kept in all, however short the tokens are', async () => {
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

test('a check after an outage still gets the claims that userinfo returned before', async () => {
  const world = createWorld()
  await world.identify('a')
  world.now += 60_000
  world.error = 'provider_unavailable'
  await assert.rejects(async () => world.identify('a'))
  world.error = undefined
  await world.identify('a')
  assert.deepEqual(world.before, [undefined, ['groups'], ['groups']])
})
