import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ErrorCode, GatewayError } from '../../../src/http/errors.ts'
import { createVerifiedCredentials } from '../../../src/providers/verified-credentials.ts'

function createFixture({ maxConcurrent = 2, maxQueued = 3 } = {}) {
  const fixture = {
    uptime: 0,
    verified: [] as string[],
    error: undefined as ErrorCode | undefined,
    gate: undefined as Promise<void> | undefined,
  }
  const verifyOnce = createVerifiedCredentials({
    async verify(credential) {
      fixture.verified.push(credential)
      await fixture.gate
      if (fixture.error) throw new GatewayError(fixture.error, 'rejected')
      return Object.freeze({ credential })
    },
    ttlMs: 60_000,
    maxConcurrent,
    maxQueued,
    monotonicNow: () => fixture.uptime,
  })
  return Object.assign(fixture, { verifyOnce })
}

/** The error code of each call that has been rejected. */
async function codesOf(calls: readonly unknown[]): Promise<string[]> {
  const results = await Promise.allSettled(calls)
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))
}

describe('credentials that clients send', () => {
  test('a valid credential is verified once, and then gives the same value without a promise', async () => {
    const { verifyOnce, verified } = createFixture()
    const first = await verifyOnce('a')
    assert.equal(verifyOnce('a'), first)
    assert.deepEqual(verified, ['a'])
  })

  test('a valid credential is verified again after its time to live, counted from before the call', async () => {
    const fixture = createFixture()
    const { promise, resolve } = Promise.withResolvers<void>()
    fixture.gate = promise
    const first = fixture.verifyOnce('a')
    fixture.uptime = 59_999
    resolve()
    const value = await first
    assert.equal(fixture.verifyOnce('a'), value)
    fixture.uptime = 60_000
    await fixture.verifyOnce('a')
    assert.deepEqual(fixture.verified, ['a', 'a'])
  })

  test('concurrent requests with one credential share its verification', async () => {
    const { verifyOnce, verified } = createFixture()
    const values = await Promise.all([verifyOnce('a'), verifyOnce('a'), verifyOnce('a')])
    assert.equal(new Set(values).size, 1)
    assert.deepEqual(verified, ['a'])
  })

  test('a rejected credential is rejected without a verification for ten seconds', async () => {
    const fixture = createFixture()
    fixture.error = 'credential_invalid'
    assert.deepEqual(await codesOf([fixture.verifyOnce('a')]), ['credential_invalid'])
    fixture.error = undefined
    fixture.uptime = 9999
    assert.throws(() => fixture.verifyOnce('a'), { code: 'credential_invalid' })
    fixture.uptime = 10_000
    assert.deepEqual(await fixture.verifyOnce('a'), { credential: 'a' })
    assert.deepEqual(fixture.verified, ['a', 'a'])
  })

  test('a failure of the service is not remembered, and does not end a credential before its time to live', async () => {
    const fixture = createFixture()
    const value = await fixture.verifyOnce('known')
    fixture.error = 'elasticsearch_unavailable'
    assert.deepEqual(await codesOf([fixture.verifyOnce('new')]), ['elasticsearch_unavailable'])
    assert.equal(fixture.verifyOnce('known'), value)
    fixture.uptime = 60_000
    assert.deepEqual(await codesOf([fixture.verifyOnce('known')]), ['elasticsearch_unavailable'])
    fixture.error = undefined
    await Promise.all([fixture.verifyOnce('new'), fixture.verifyOnce('known')])
  })

  test('a known credential that is revoked is rejected after its time to live, and remembered as rejected', async () => {
    const fixture = createFixture()
    await fixture.verifyOnce('a')
    fixture.error = 'credential_invalid'
    fixture.uptime = 60_000
    assert.deepEqual(await codesOf([fixture.verifyOnce('a')]), ['credential_invalid'])
    assert.throws(() => fixture.verifyOnce('a'), { code: 'credential_invalid' })
    assert.equal(fixture.verified.length, 2)
  })

  test('10,000 invented credentials cause two verifications at a time and three waiting ones, and 503 for the others', async () => {
    const fixture = createFixture()
    const { promise, resolve } = Promise.withResolvers<void>()
    fixture.gate = promise
    fixture.error = 'credential_invalid'
    const invented = Array.from({ length: 10_000 }, (_, index) => fixture.verifyOnce(`invented ${index}`))
    assert.equal(fixture.verified.length, 2)
    resolve()
    const codes = await codesOf(invented)
    assert.equal(codes.filter((code) => code === 'overloaded').length, 9995)
    assert.equal(codes.filter((code) => code === 'credential_invalid').length, 5)
    assert.equal(fixture.verified.length, 5)
  })

  test('a known credential is verified again while invented ones occupy every other place', async () => {
    const fixture = createFixture()
    await fixture.verifyOnce('known')
    const { promise, resolve } = Promise.withResolvers<void>()
    fixture.gate = promise
    const invented = Array.from({ length: 10 }, (_, index) => fixture.verifyOnce(`invented ${index}`))
    fixture.uptime = 60_000
    fixture.gate = undefined
    assert.deepEqual(await fixture.verifyOnce('known'), { credential: 'known' })
    resolve()
    await Promise.allSettled(invented)
  })

  test('rejected credentials do not displace valid ones, and the oldest of more than 1000 are verified again', async () => {
    const fixture = createFixture()
    const value = await fixture.verifyOnce('known')
    fixture.error = 'credential_invalid'
    for (let index = 0; index <= 1000; index++) await codesOf([fixture.verifyOnce(`invented ${index}`)])
    assert.equal(fixture.verifyOnce('known'), value)
    fixture.verified.length = 0
    await codesOf([fixture.verifyOnce('invented 0')])
    assert.throws(() => fixture.verifyOnce('invented 1000'), { code: 'credential_invalid' })
    assert.deepEqual(fixture.verified, ['invented 0'])
  })
})
