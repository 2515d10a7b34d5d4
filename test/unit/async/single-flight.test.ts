import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { createExclusiveSingleFlight, createSingleFlight, shareTask } from '../../../src/async/single-flight.ts'

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

test('single-flight: calls with the same key share one task and its result', async () => {
  const runOnce = createSingleFlight<string>()
  const task = createTask('done')
  const other = createTask('other')
  const all = [runOnce('bob', task), runOnce('bob', other), runOnce('bob', task)]
  task.succeed()
  assert.deepEqual(await Promise.all(all), ['done', 'done', 'done'])
  assert.deepEqual([task.starts, other.starts], [1, 0])
})

test('single-flight: tasks with different keys run at the same time, whatever the names of the keys', async () => {
  const runOnce = createSingleFlight<string>()
  const keys = ['bob', 'Bob', '__proto__', 'constructor', '']
  const tasks = keys.map((key) => createTask(key))
  const results = keys.map((key, i) => runOnce(key, tasks[i]!))
  for (const task of tasks) task.succeed()
  assert.deepEqual(await Promise.all(results), keys)
})

test('single-flight: a rejection reaches all calls that share the task, and the next call starts another', async () => {
  const runOnce = createSingleFlight<string>()
  const [bad, good] = [createTask('bad'), createTask('good')]
  const all = Promise.allSettled([runOnce('bob', bad), runOnce('bob', good)])
  bad.fail()
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  good.succeed()
  assert.equal(await runOnce('bob', good), 'good')
  assert.equal(good.starts, 1)
})

test('single-flight: a task that throws leaves its key free', async () => {
  const runOnce = createSingleFlight<string>()
  const thrown = () => {
    throw new Error('thrown')
  }
  assert.throws(() => runOnce('bob', thrown), /thrown/)
  assert.equal(await runOnce('bob', async () => 'good'), 'good')
})

test('shareTask runs its task once at a time, and isRunning says whether the task runs', async () => {
  const task = createTask('done')
  const { run, isRunning } = shareTask(task)
  assert.equal(isRunning(), false)
  const both = [run(), run()]
  assert.equal(isRunning(), true)
  task.succeed()
  assert.deepEqual(await Promise.all(both), ['done', 'done'])
  assert.deepEqual([isRunning(), task.starts], [false, 1])
  await run()
  assert.equal(task.starts, 2)
})

test('shareTask may run its task again after a rejection', async () => {
  const task = createTask('done')
  task.fail()
  const { run, isRunning } = shareTask(task)
  await assert.rejects(run(), /failed/)
  assert.equal(isRunning(), false)
})

test('exclusive single-flight: calls with the same key and topic share one task and its result', async () => {
  const { run } = createExclusiveSingleFlight()
  const task = createTask('done')
  const all = Promise.all([1, 2, 3].map(() => run({ key: 'bob', topic: 'topic', task: task, findResult })))
  task.succeed()
  assert.deepEqual(await all, ['done', 'done', 'done'])
  assert.equal(task.starts, 1)
})

test('exclusive single-flight: a call after the end of a task starts another task', async () => {
  const { run } = createExclusiveSingleFlight()
  const task = createTask('done')
  task.succeed()
  await run({ key: 'bob', topic: 'topic', task: task, findResult })
  await run({ key: 'bob', topic: 'topic', task: task, findResult })
  assert.equal(task.starts, 2)
})

test('exclusive single-flight: a call does not wait for a task of another key', async () => {
  const { run } = createExclusiveSingleFlight()
  const endless = createTask('never')
  const quick = createTask('done')
  quick.succeed()
  void run({ key: 'bob', topic: 'topic', task: endless, findResult })
  assert.equal(await run({ key: 'carol', topic: 'topic', task: quick, findResult }), 'done')
})

test('exclusive single-flight: a call with another topic waits for the task of the key and gets its own result', async () => {
  const { run } = createExclusiveSingleFlight()
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

test('exclusive single-flight: calls with many topics run one task at a time for a key', async () => {
  const { run } = createExclusiveSingleFlight()
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

test('exclusive single-flight: a result found after waiting makes the task unnecessary', async () => {
  const { run } = createExclusiveSingleFlight()
  const [first, second] = [createTask('first'), createTask('second')]
  const both = Promise.all([
    run({ key: 'bob', topic: 'a', task: first, findResult }),
    run({ key: 'bob', topic: 'b', task: second, findResult: () => 'known' }),
  ])
  first.succeed()
  assert.deepEqual(await both, ['first', 'known'])
  assert.equal(second.starts, 0)
})

test("exclusive single-flight: a task's error rejects the calls that share the task, and no other calls", async () => {
  const { run } = createExclusiveSingleFlight()
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

test('exclusive single-flight: a call after a failed task starts another task', async () => {
  const { run } = createExclusiveSingleFlight()
  const bad = createTask('bad')
  bad.fail()
  await assert.rejects(run({ key: 'bob', topic: 'a', task: bad, findResult }))
  const good = createTask('good')
  good.succeed()
  assert.equal(await run({ key: 'bob', topic: 'a', task: good, findResult }), 'good')
})
