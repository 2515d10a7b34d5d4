import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { createSingleFlight } from '../../../../src/auth/credentials/single-flight.ts'

/** A task that ends when it is told to, and counts how often it was started. */
function createTask<T>(result: T) {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const task = Object.assign(
    () => {
      task.starts++
      return promise
    },
    { starts: 0, land: () => resolve(result), crash: () => reject(new Error('crashed')) },
  )
  return task
}
const nothing = () => undefined

test('the same key and topic share one task and its result', async () => {
  const { join } = createSingleFlight<string>()
  const task = createTask('done')
  const all = Promise.all([1, 2, 3].map(() => join('bob', 'topic', task, nothing)))
  task.land()
  assert.deepEqual(await all, ['done', 'done', 'done'])
  assert.equal(task.starts, 1)
})

test('once landed, the next one starts anew', async () => {
  const { join } = createSingleFlight<string>()
  const task = createTask('done')
  task.land()
  await join('bob', 'topic', task, nothing)
  await join('bob', 'topic', task, nothing)
  assert.equal(task.starts, 2)
})

test('other keys do not wait', async () => {
  const { join } = createSingleFlight<string>()
  const stuck = createTask('never')
  const quick = createTask('done')
  quick.land()
  void join('bob', 'topic', stuck, nothing)
  assert.equal(await join('carol', 'topic', quick, nothing), 'done')
})

test('another topic waits, and never gets the first one’s result', async () => {
  const { join } = createSingleFlight<string>()
  const [first, second] = [createTask('first'), createTask('second')]
  const both = Promise.all([join('bob', 'a', first, nothing), join('bob', 'b', second, nothing)])
  await yieldToLoop()
  assert.equal(second.starts, 0)
  first.land()
  second.land()
  assert.deepEqual(await both, ['first', 'second'])
})

test('many other topics wait in turn: never two tasks for one key', async () => {
  const { join } = createSingleFlight<number>()
  let running = 0
  let most = 0
  const task = (result: number) => async () => {
    most = Math.max(most, ++running)
    await yieldToLoop()
    running--
    return result
  }
  const results = await Promise.all(Array.from({ length: 50 }, (_, i) => join('bob', `topic ${i}`, task(i), nothing)))
  assert.deepEqual(
    results,
    Array.from({ length: 50 }, (_, i) => i),
  )
  assert.equal(most, 1)
})

test('what was known meanwhile needs no task', async () => {
  const { join } = createSingleFlight<string>()
  const [first, second] = [createTask('first'), createTask('second')]
  const both = Promise.all([join('bob', 'a', first, nothing), join('bob', 'b', second, () => 'known')])
  first.land()
  assert.deepEqual(await both, ['first', 'known'])
  assert.equal(second.starts, 0)
})

test('a crash reaches all who share it, and nobody else', async () => {
  const { join } = createSingleFlight<string>()
  const [bad, good] = [createTask('bad'), createTask('good')]
  const all = Promise.allSettled([
    join('bob', 'a', bad, nothing),
    join('bob', 'a', bad, nothing),
    join('bob', 'b', good, nothing),
  ])
  bad.crash()
  good.land()
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  )
})

test('after a crash the key is free', async () => {
  const { join } = createSingleFlight<string>()
  const bad = createTask('bad')
  bad.crash()
  await assert.rejects(join('bob', 'a', bad, nothing))
  const good = createTask('good')
  good.land()
  assert.equal(await join('bob', 'a', good, nothing), 'good')
})
