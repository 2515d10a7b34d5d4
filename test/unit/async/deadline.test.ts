import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { withDeadline } from '../../../src/async/deadline.ts'

const onTimeout = () => new Error('timed out')
const unexpected = () => assert.fail('the deadline has not passed')

test('withDeadline returns the result or the error of work that ends in time', async () => {
  assert.equal(await withDeadline(Promise.resolve('done'), 60_000, unexpected), 'done')
  await assert.rejects(withDeadline(Promise.reject(new Error('failed')), 60_000, unexpected), /failed/)
  assert.equal(await withDeadline(sleep(5, 'late enough'), 60_000, unexpected), 'late enough')
})

test('withDeadline rejects once with the error of onTimeout if the work takes longer', async () => {
  let calls = 0
  const never = new Promise(() => {})
  await assert.rejects(
    withDeadline(never, 1, () => {
      calls++
      return onTimeout()
    }),
    /timed out/,
  )
  assert.equal(calls, 1)
})

test('withDeadline leaves no unhandled rejection if the work fails after the deadline', async () => {
  const { promise, reject } = Promise.withResolvers()
  await assert.rejects(withDeadline(promise, 1, onTimeout), /timed out/)
  reject(new Error('too late'))
  await sleep(1)
})

test('withDeadline accepts a result that is ready when a blocked event loop resumes, even after the deadline', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  let timeouts = 0
  const result = withDeadline(promise, 1, () => {
    timeouts++
    return onTimeout()
  })
  // After the block both timers are due, and that of the deadline runs first.
  setTimeout(() => resolve('done'), 2)
  const blockedUntil = performance.now() + 20
  while (performance.now() < blockedUntil);
  assert.equal(await result, 'done')
  await sleep(1)
  assert.equal(timeouts, 0)
})
