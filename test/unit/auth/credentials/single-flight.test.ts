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
const findResult = () => undefined

test('the same key and topic share one task and its result', async () => {
  const { run } = createSingleFlight<string>()
  const task = createTask('done')
  const all = Promise.all([1, 2, 3].map(() => run({ key: 'bob', topic: 'topic', task: task, findResult })))
  task.land()
  assert.deepEqual(await all, ['done', 'done', 'done'])
  assert.equal(task.starts, 1)
})

test('once landed, the next one starts anew', async () => {
  const { run } = createSingleFlight<string>()
  const task = createTask('done')
  task.land()
  await run({ key: 'bob', topic: 'topic', task: task, findResult })
  await run({ key: 'bob', topic: 'topic', task: task, findResult })
  assert.equal(task.starts, 2)
})

test('other keys do not wait', async () => {
  const { run } = createSingleFlight<string>()
  const stuck = createTask('never')
  const quick = createTask('done')
  quick.land()
  void run({ key: 'bob', topic: 'topic', task: stuck, findResult })
  assert.equal(await run({ key: 'carol', topic: 'topic', task: quick, findResult }), 'done')
})

test('another topic waits, and never gets the first one’s result', async () => {
  const { run } = createSingleFlight<string>()
  const [first, second] = [createTask('first'), createTask('second')]
  const both = Promise.all([
    run({ key: 'bob', topic: 'a', task: first, findResult }),
    run({ key: 'bob', topic: 'b', task: second, findResult }),
  ])
  await yieldToLoop()
  assert.equal(second.starts, 0)
  first.land()
  second.land()
  assert.deepEqual(await both, ['first', 'second'])
})

test('many other topics wait in turn: never two tasks for one key', async () => {
  const { run } = createSingleFlight<number>()
  let running = 0
  let most = 0
  const task = (result: number) => async () => {
    most = Math.max(most, ++running)
    await yieldToLoop()
    running--
    return result
  }
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, i) => run({ key: 'bob', topic: `topic ${i}`, task: task(i), findResult })),
  )
  assert.deepEqual(
    results,
    Array.from({ length: 50 }, (_, i) => i),
  )
  assert.equal(most, 1)
})

test('what was known meanwhile needs no task', async () => {
  const { run } = createSingleFlight<string>()
  const [first, second] = [createTask('first'), createTask('second')]
  const both = Promise.all([
    run({ key: 'bob', topic: 'a', task: first, findResult }),
    run({ key: 'bob', topic: 'b', task: second, findResult: () => 'known' }),
  ])
  first.land()
  assert.deepEqual(await both, ['first', 'known'])
  assert.equal(second.starts, 0)
})

test('a crash reaches all who share it, and nobody else', async () => {
  const { run } = createSingleFlight<string>()
  const [bad, good] = [createTask('bad'), createTask('good')]
  const all = Promise.allSettled([
    run({ key: 'bob', topic: 'a', task: bad, findResult }),
    run({ key: 'bob', topic: 'a', task: bad, findResult }),
    run({ key: 'bob', topic: 'b', task: good, findResult }),
  ])
  bad.crash()
  good.land()
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  )
})

test('after a crash the key is free', async () => {
  const { run } = createSingleFlight<string>()
  const bad = createTask('bad')
  bad.crash()
  await assert.rejects(run({ key: 'bob', topic: 'a', task: bad, findResult }))
  const good = createTask('good')
  good.land()
  assert.equal(await run({ key: 'bob', topic: 'a', task: good, findResult }), 'good')
})
