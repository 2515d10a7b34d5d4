import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GatewayError } from '../../../src/http/errors.ts'
import {
  type AttemptStore,
  createAttemptLimits,
  createMemoryAttempts,
  type LimitReached,
  networkOf,
} from '../../../src/providers/attempt-limits.ts'

function createBench(shared?: AttemptStore, whenDelayed?: Promise<void>) {
  let now = 0
  const reached: LimitReached[] = []
  const delays: number[] = []
  const limits = createAttemptLimits({
    shared,
    onLimitReached: (one) => reached.push(one),
    monotonicNow: () => now,
    sleep(milliseconds) {
      delays.push(milliseconds)
      return whenDelayed ?? Promise.resolve()
    },
  })
  return {
    limits,
    reached,
    delays,
    wait: (milliseconds: number) => {
      now += milliseconds
    },
    async fail(username: string, network: string, times = 1) {
      for (let i = 0; i < times; i++) (await limits.begin(username, network)).failed()
    },
    async succeed(username: string, network: string) {
      await (await limits.begin(username, network)).succeeded()
    },
  }
}

const isBlocked = ({ code }: GatewayError) => code === 'too_many_attempts'

describe('the limits of failed attempts', () => {
  test('block a user from one network after five failures, for five minutes, and report it once', async () => {
    const { limits, reached, fail, wait } = createBench()
    await fail('bob', 'a', 5)
    for (let i = 0; i < 3; i++) await assert.rejects(limits.begin('bob', 'a'), isBlocked)
    assert.throws(() => limits.check('bob', 'a'), isBlocked)
    assert.deepEqual(reached, [{ reason: 'user_network', username: 'bob', network: 'a' }])
    wait(299_000)
    await assert.rejects(limits.begin('bob', 'a'), ({ retryAfterSeconds }: GatewayError) => retryAfterSeconds === 1)
    wait(1000)
    limits.check('bob', 'a')
    await fail('bob', 'a')
  })

  test('forget failures after two minutes', async () => {
    const { fail, wait } = createBench()
    await fail('bob', 'a', 4)
    wait(120_000)
    await fail('bob', 'a', 4)
  })

  test('attempts are counted before their result is known, so that concurrent guesses do not all pass', async () => {
    const { limits } = createBench()
    const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => limits.begin('bob', 'a')))
    assert.equal(attempts.filter(({ status }) => status === 'fulfilled').length, 5)
  })

  test('forget the failures of a user from a network after a success, but not those of the network', async () => {
    const { limits, fail, succeed } = createBench()
    for (let i = 0; i < 12; i++) {
      await fail('bob', 'a', 4)
      await succeed('bob', 'a')
    }
    await fail('carol', 'a', 2)
    await assert.rejects(limits.begin('dan', 'a'), isBlocked)
  })

  test('a network is blocked after 50 failures for any users, and no other network is', async () => {
    const { limits, reached, fail } = createBench()
    for (let i = 0; i < 50; i++) await fail(`user${i}`, 'a')
    await assert.rejects(limits.begin('bob', 'a'), isBlocked)
    await fail('bob', 'b')
    assert.deepEqual(reached, [{ reason: 'network', network: 'a' }])
  })

  test('count clients whose address is unknown as one network, so that they cannot try any number of users', async () => {
    const { limits, fail } = createBench()
    const unknown = networkOf({ clientAddress: undefined })
    for (let i = 0; i < 50; i++) await fail(`user${i}`, unknown)
    await assert.rejects(limits.begin('bob', unknown), isBlocked)
    await fail('bob', networkOf({ clientAddress: '203.0.113.1' }))
  })

  test('are the same for two addresses in the first 64 bits of IPv6, and differ for two addresses of IPv4', () => {
    assert.equal(networkOf({ clientAddress: '2001:db8::1' }), networkOf({ clientAddress: '2001:db8::ffff' }))
    assert.notEqual(networkOf({ clientAddress: '203.0.113.1' }), networkOf({ clientAddress: '203.0.113.2' }))
  })

  test('further guesses at a user from a blocked network are counted, so that they cannot find a remembered password', async () => {
    const { limits, fail } = createBench()
    for (let i = 0; i < 50; i++) await fail(`user${i}`, 'a')
    limits.check('bob', 'a')
    for (let i = 0; i < 6; i++) await assert.rejects(limits.begin('bob', 'a'), isBlocked)
    assert.throws(() => limits.check('bob', 'a'), isBlocked)
  })

  test('a blocked network adds no counter for a user to the shared store, however many usernames it invents', async () => {
    const memory = createMemoryAttempts(() => 0)
    const keys = new Set<string>()
    const shared: AttemptStore = {
      ...memory,
      add: (key, limit) => {
        keys.add(key)
        return memory.add(key, limit)
      },
    }
    const { limits, fail } = createBench(shared)
    for (let i = 0; i < 50; i++) await fail(`user${i}`, 'a')
    const before = keys.size
    for (let i = 0; i < 100; i++) await assert.rejects(limits.begin(`invented${i}`, 'a'), isBlocked)
    assert.equal(keys.size, before)
  })

  test('100,000 usernames that a blocked network invents do not displace the failed attempts of another network', async () => {
    const { limits, fail } = createBench()
    await fail('bob', 'b', 5)
    for (let i = 0; i < 50; i++) await fail(`user${i}`, 'a')
    for (let i = 0; i < 100_000; i++) await assert.rejects(limits.begin(`invented${i}`, 'a'), isBlocked)
    await assert.rejects(limits.begin('bob', 'b'), isBlocked)
  })

  test('know a network for 30 days after the last sign-in, not the first', async () => {
    const { limits, succeed, wait } = createBench()
    const day = 24 * 60 * 60_000
    const isFamiliar = async () => {
      const attempt = await limits.begin('bob', 'home')
      await attempt.canceled()
      return attempt.isFamiliar
    }
    await succeed('bob', 'home')
    wait(29 * day)
    await succeed('bob', 'home')
    wait(30 * day - 1)
    assert.equal(await isFamiliar(), true)
    wait(1)
    assert.equal(await isFamiliar(), false)
  })

  test('of a network are not reached by 200 people who sign in at once with the right password', async () => {
    const { limits } = createBench()
    const attempts = await Promise.allSettled(Array.from({ length: 200 }, (_, i) => limits.begin(`user${i}`, 'a')))
    const begun = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
    assert.equal(begun.length, 50)
    for (const { succeeded } of begun) await succeeded()
    for (let i = 50; i < 200; i++) await (await limits.begin(`user${i}`, 'a')).succeeded()
  })

  test('forget no network that a user has signed in from, however many networks guess', async () => {
    const { limits, fail, succeed } = createBench()
    await succeed('bob', 'home')
    for (let i = 0; i < 35_000; i++) await fail(`user${i}`, `network${i}`)
    assert.ok((await limits.begin('bob', 'home')).isFamiliar)
  })

  test('after 20 failures from many networks, attempts for a user are delayed, except from a network that the user has signed in from', async () => {
    const { reached, delays, fail, succeed } = createBench()
    await succeed('bob', 'home')
    for (let i = 0; i < 20; i++) await fail('bob', `network${i}`)
    assert.deepEqual(delays, [])
    await succeed('bob', 'home')
    assert.deepEqual(delays, [])
    await fail('bob', 'another')
    await succeed('bob', 'hotel')
    assert.deepEqual(delays, [2000, 2000])
    assert.deepEqual(reached, [{ reason: 'user', username: 'bob', network: 'another' }])
  })

  test('delay 256 attempts at a time, and reject the next one as overloaded without counting it, until a delay ends', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { limits, delays, reached, fail, succeed } = createBench(undefined, promise)
    await succeed('bob', 'home')
    for (let i = 0; i < 20; i++) await fail('bob', `network${i}`)
    const delayed = Array.from({ length: 256 }, (_, i) => limits.begin('bob', `another${i}`))
    for (let i = 0; i < 60; i++)
      await assert.rejects(limits.begin('bob', 'hotel'), ({ code }: GatewayError) => code === 'overloaded')
    assert.equal(delays.length, 256)
    await succeed('bob', 'home')
    for (let i = 0; i < 20; i++) await fail('carol', `network${i}`)
    for (let i = 0; i < 2; i++) await assert.rejects(limits.begin('carol', 'hotel'))
    assert.deepEqual(
      reached.map(({ username }) => username),
      ['bob'],
      'what is not delayed is not reported as delayed',
    )
    resolve()
    await Promise.all(delayed)
    await succeed('bob', 'hotel')
  })

  test('an attempt that was not made does not count', async () => {
    const { limits } = createBench()
    for (let i = 0; i < 60; i++) await (await limits.begin('bob', 'a')).canceled()
  })

  test('of replicas with a shared store count together', async () => {
    const shared = createMemoryAttempts(() => 0)
    const replicas = [createBench(shared), createBench(shared), createBench(shared)]
    for (const [index, times] of [2, 2, 1].entries()) await replicas[index]!.fail('bob', 'a', times)
    for (const { limits } of replicas) await assert.rejects(limits.begin('bob', 'a'), isBlocked)
  })

  test('count in the process while the shared store fails', async () => {
    const fail = async () => Promise.reject(new Error('down'))
    const bench = createBench({ add: fail, remove: fail, remember: fail, has: fail })
    await bench.fail('bob', 'a', 5)
    await assert.rejects(bench.limits.begin('bob', 'a'), isBlocked)
  })
})
