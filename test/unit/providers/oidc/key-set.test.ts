import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createKeySet } from '../../../../src/providers/oidc/key-set.ts'
import { createSigningKey, publicJwk } from '../../../support/oidc/keys.ts'

const first = createSigningKey('ES256')
const second = createSigningKey('ES256')
const respondWith = (document: unknown, status = 200) => new Response(JSON.stringify(document), { status })
const keysOf = (...keys: (typeof first)[]) => respondWith({ keys: keys.map(publicJwk) })

function createFixture() {
  const fixture = {
    now: 1_000_000,
    calls: 0,
    problems: [] as (string | undefined)[],
    respond: (): Response | Promise<Response> => keysOf(first),
  }
  const keySet = createKeySet({
    jwksUri: async () => 'https://id.example/jwks',
    fetch: async () => {
      fixture.calls++
      return fixture.respond()
    },
    monotonicNow: () => fixture.now,
    reportProblem: (problem) => void fixture.problems.push(problem),
  })
  const findKey = async (key = first) => keySet.getKey({ alg: 'ES256', kid: key.kid }, { payload: '', signature: '' })
  return Object.assign(fixture, { keySet, findKey })
}
const minuteMs = 60_000
const runPendingCallbacks = () => new Promise((resolve) => setImmediate(resolve))

test('concurrent callers cause one fetch of the keys, which are used for ten minutes', async () => {
  const fixture = createFixture()
  await Promise.all(Array.from({ length: 20 }, () => fixture.findKey()))
  fixture.now += 10 * minuteMs
  await fixture.findKey()
  assert.equal(fixture.calls, 1)
})

test('the keys are refreshed in the background after ten minutes', async () => {
  const fixture = createFixture()
  await fixture.findKey()
  const { promise, resolve } = Promise.withResolvers<Response>()
  fixture.respond = () => promise
  fixture.now += 10 * minuteMs + 1
  await fixture.findKey() // does not wait
  assert.equal(fixture.calls, 2)
  resolve(keysOf(second))
  await runPendingCallbacks()
  fixture.respond = () => keysOf(second)
  await fixture.findKey(second)
  await assert.rejects(fixture.findKey(first), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
})

describe('unknown keys', () => {
  test('an unknown key is looked for at once, and found if the provider has rotated its keys', async () => {
    const fixture = createFixture()
    await fixture.findKey()
    fixture.respond = () => keysOf(second)
    await fixture.findKey(second)
    assert.equal(fixture.calls, 2)
  })

  test('unknown keys cause one fetch in 10 s, however many tokens name them', async () => {
    const fixture = createFixture()
    await fixture.findKey()
    for (let i = 0; i < 60; i++) {
      fixture.now += 1000
      await assert.rejects(fixture.findKey(second), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
    }
    assert.equal(fixture.calls, 1 + 6)
  })

  test('an unknown key is rejected with provider_unavailable while the provider is down, since it may be a new key', async () => {
    const fixture = createFixture()
    await fixture.findKey()
    fixture.now += 10_000
    fixture.respond = () => respondWith({}, 500)
    await assert.rejects(fixture.findKey(second), { code: 'provider_unavailable' })
    await assert.rejects(fixture.findKey(second), { code: 'provider_unavailable' })
    assert.equal(fixture.calls, 2)
    assert.ok(fixture.keySet.isFailing())
    await fixture.findKey(first)
  })
})

const failures: [what: string, respond: () => Response | Promise<Response>][] = [
  ['no connection', () => Promise.reject(new Error('ECONNREFUSED'))],
  ['a 503 response', () => respondWith({}, 503)],
  ['HTML', () => new Response('<!doctype html>')],
  ['no keys', () => respondWith({ keys: [] })],
  ['a list of numbers as keys', () => respondWith({ keys: [7] })],
  ['a string', () => respondWith('keys')],
  ['null', () => respondWith(null)],
]

for (const [what, respond] of failures) {
  describe(`while key requests get ${what}`, () => {
    test(`while key requests get ${what}, the last keys are used for a day, and fetched at most every 10 s`, async () => {
      const fixture = createFixture()
      await fixture.findKey()
      fixture.respond = respond
      const endOfDay = fixture.now + 24 * 60 * minuteMs
      fixture.now += 10 * minuteMs
      for (let i = 0; i < 100; i++) {
        fixture.now += 1000
        await fixture.findKey()
        await runPendingCallbacks()
      }
      assert.ok(fixture.calls <= 12, `${fixture.calls} calls`)
      assert.equal(fixture.problems.length, 1)
      fixture.now = endOfDay
      await fixture.findKey()
      await runPendingCallbacks()
      fixture.now = endOfDay + 1
      await assert.rejects(fixture.findKey(), { code: 'provider_unavailable' })
    })

    test(`while key requests get ${what} from the start, tokens are rejected, and the keys are fetched every 5 s`, async () => {
      const fixture = createFixture()
      fixture.respond = respond
      for (let i = 0; i < 10; i++) {
        await assert.rejects(fixture.findKey(), { code: 'provider_unavailable' })
        fixture.now += 1000
      }
      assert.equal(fixture.calls, 2)
      fixture.respond = () => keysOf(first)
      fixture.now += 5000
      await fixture.findKey()
      assert.ok(!fixture.keySet.isFailing())
      assert.equal(fixture.problems.length, 2)
      assert.equal(fixture.problems[1], undefined)
    })
  })
}

test('a symmetric key in the key set is not used for any token', async () => {
  const fixture = createFixture()
  fixture.respond = () => respondWith({ keys: [{ kty: 'oct', kid: 'x', k: 'AAAA', alg: 'HS256' }, publicJwk(first)] })
  await assert.rejects(async () => fixture.keySet.getKey({ alg: 'HS256', kid: 'x' }, { payload: '', signature: '' }))
  await fixture.findKey()
})
