import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createKeySet } from '../../../../src/providers/oidc/key-set.ts'
import { createSigningKey, publicJwk } from '../../../support/oidc/keys.ts'

const first = createSigningKey('ES256')
const second = createSigningKey('ES256')
const answer = (document: unknown, status = 200) => new Response(JSON.stringify(document), { status })
const keysOf = (...keys: (typeof first)[]) => answer({ keys: keys.map(publicJwk) })

function createWorld() {
  const world = {
    now: 1_000_000,
    calls: 0,
    reported: [] as (string | undefined)[],
    respond: (): Response | Promise<Response> => keysOf(first),
  }
  const keySet = createKeySet({
    jwksUri: async () => 'https://id.example/jwks',
    fetch: async () => {
      world.calls++
      return world.respond()
    },
    monotonicNow: () => world.now,
    reportProblem: (problem) => void world.reported.push(problem),
  })
  const find = async (key = first) => keySet.getKey({ alg: 'ES256', kid: key.kid }, { payload: '', signature: '' })
  return Object.assign(world, { keySet, find })
}
const minutes = 60_000
const settled = () => new Promise((resolve) => setImmediate(resolve))

test('asked once for many at once, and not again for ten minutes', async () => {
  const world = createWorld()
  await Promise.all(Array.from({ length: 20 }, () => world.find()))
  world.now += 10 * minutes
  await world.find()
  assert.equal(world.calls, 1)
})

test('then renewed behind the callers’ backs', async () => {
  const world = createWorld()
  await world.find()
  const { promise, resolve } = Promise.withResolvers<Response>()
  world.respond = () => promise
  world.now += 10 * minutes + 1
  await world.find() // does not wait
  assert.equal(world.calls, 2)
  resolve(keysOf(second))
  await settled()
  world.respond = () => keysOf(second)
  await world.find(second)
  await assert.rejects(world.find(first), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
})

describe('an unknown key', () => {
  test('is looked for at once, and found when the provider has changed its keys', async () => {
    const world = createWorld()
    await world.find()
    world.respond = () => keysOf(second)
    await world.find(second)
    assert.equal(world.calls, 2)
  })

  test('is looked for once in 10 s, however many there are', async () => {
    const world = createWorld()
    await world.find()
    for (let i = 0; i < 60; i++) {
      world.now += 1000
      await assert.rejects(world.find(second), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
    }
    assert.equal(world.calls, 1 + 6)
  })

  test('cannot be told from a new one while the provider is down', async () => {
    const world = createWorld()
    await world.find()
    world.now += 10_000
    world.respond = () => answer({}, 500)
    await assert.rejects(world.find(second), { code: 'provider_unavailable' })
    await assert.rejects(world.find(second), { code: 'provider_unavailable' })
    assert.equal(world.calls, 2)
    assert.ok(world.keySet.isFailing())
    await world.find(first)
  })
})

const failures: [what: string, respond: () => Response | Promise<Response>][] = [
  ['down', () => Promise.reject(new Error('ECONNREFUSED'))],
  ['an error', () => answer({}, 503)],
  ['HTML', () => new Response('<!doctype html>')],
  ['no keys', () => answer({ keys: [] })],
  ['keys that are none', () => answer({ keys: [7] })],
  ['a text', () => answer('keys')],
  ['nothing', () => answer(null)],
]

for (const [what, respond] of failures) {
  describe(`the provider answers: ${what}`, () => {
    test('the last good keys serve for a day, asked for anew every 10 s at the most', async () => {
      const world = createWorld()
      await world.find()
      world.respond = respond
      const until = world.now + 24 * 60 * minutes
      world.now += 10 * minutes
      for (let i = 0; i < 100; i++) {
        world.now += 1000
        await world.find()
        await settled()
      }
      assert.ok(world.calls <= 12, `${world.calls} calls`)
      assert.equal(world.reported.length, 1)
      world.now = until
      await world.find()
      await settled()
      world.now = until + 1
      await assert.rejects(world.find(), { code: 'provider_unavailable' })
    })

    test('and at the first time nobody comes in, and it is asked every 5 s', async () => {
      const world = createWorld()
      world.respond = respond
      for (let i = 0; i < 10; i++) {
        await assert.rejects(world.find(), { code: 'provider_unavailable' })
        world.now += 1000
      }
      assert.equal(world.calls, 2)
      world.respond = () => keysOf(first)
      world.now += 5000
      await world.find()
      assert.ok(!world.keySet.isFailing())
      assert.equal(world.reported.length, 2)
      assert.equal(world.reported[1], undefined)
    })
  })
}

test('a symmetric key in the set is for no token', async () => {
  const world = createWorld()
  world.respond = () => answer({ keys: [{ kty: 'oct', kid: 'x', k: 'AAAA', alg: 'HS256' }, publicJwk(first)] })
  await assert.rejects(async () => world.keySet.getKey({ alg: 'HS256', kid: 'x' }, { payload: '', signature: '' }))
  await world.find()
})
