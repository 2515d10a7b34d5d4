import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { createExclusiveSingleFlight } from '../../../../src/auth/credentials/single-flight.ts'

/** A task that the test ends, and that counts how often it was started. */
function createTask<T>(result: T) {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const task = Object.assign(
    () => {
      task.starts++
      return promise
    },
    { starts: 0, succeed: () => resolve(result), fail: () => reject(new Error('failed')) },
  )
  return task
}
const findResult = () => undefined

test('calls with the same key and topic share one task and its result', async () => {
  const { run } = createExclusiveSingleFlight<string>()
  const task = createTask('done')
  const all = Promise.all([1, 2, 3].map(() => run({ key: 'bob', topic: 'topic', task: task, findResult })))
  task.succeed()
  assert.deepEqual(await all, ['done', 'done', 'done'])
  assert.equal(task.starts, 1)
})

test('a call after the end of a task starts another task', async () => {
  const { run } = createExclusiveSingleFlight<string>()
  const task = createTask('done')
  task.succeed()
  await run({ key: 'bob', topic: 'topic', task: task, findResult })
  await run({ key: 'bob', topic: 'topic', task: task, findResult })
  assert.equal(task.starts, 2)
})

test('a call does not wait for a task of another key', async () => {
  const { run } = createExclusiveSingleFlight<string>()
  const endless = createTask('never')
  const quick = createTask('done')
  quick.succeed()
  void run({ key: 'bob', topic: 'topic', task: endless, findResult })
  assert.equal(await run({ key: 'carol', topic: 'topic', task: quick, findResult }), 'done')
})

test('a call with another topic waits for the task of the key and gets its own result', async () => {
  const { run } = createExclusiveSingleFlight<string>()
  const [first, second] = [createTask('first'), createTask('second')]
  const both = Promise.all([
    run({ key: 'bob', topic: 'a', task: first, findResult }),
    run({ key: 'bob', topic: 'b', task: second, findResult }),
  ])
  await yieldToLoop()
  assert.equal(second.starts, 0)
  first.succeed()
  second.succeed()
  assert.deepEqual(await both, ['first', 'second'])
})

test('calls with many topics run one task at a time for a key', async () => {
  const { run } = createExclusiveSingleFlight<number>()
  let running = 0
  let maxRunning = 0
  const task = (result: number) => async () => {
    maxRunning = Math.max(maxRunning, ++running)
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
  assert.equal(maxRunning, 1)
})

test('a result that is found after waiting makes the task unnecessary', async () => {
  const { run } = createExclusiveSingleFlight<string>()
  const [first, second] = [createTask('first'), createTask('second')]
  const both = Promise.all([
    run({ key: 'bob', topic: 'a', task: first, findResult }),
    run({ key: 'bob', topic: 'b', task: second, findResult: () => 'known' }),
  ])
  first.succeed()
  assert.deepEqual(await both, ['first', 'known'])
  assert.equal(second.starts, 0)
})

test('the error of a task rejects the calls that share it, and no other', async () => {
  const { run } = createExclusiveSingleFlight<string>()
  const [bad, good] = [createTask('bad'), createTask('good')]
  const all = Promise.allSettled([
    run({ key: 'bob', topic: 'a', task: bad, findResult }),
    run({ key: 'bob', topic: 'a', task: bad, findResult }),
    run({ key: 'bob', topic: 'b', task: good, findResult }),
  ])
  bad.fail()
  good.succeed()
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  )
})

test('a call after a failed task starts another task', async () => {
  const { run } = createExclusiveSingleFlight<string>()
  const bad = createTask('bad')
  bad.fail()
  await assert.rejects(run({ key: 'bob', topic: 'a', task: bad, findResult }))
  const good = createTask('good')
  good.succeed()
  assert.equal(await run({ key: 'bob', topic: 'a', task: good, findResult }), 'good')
})
