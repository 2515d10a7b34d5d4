import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConcurrencyLimit, type QueueTimeout } from '../../../src/async/concurrency-limit.ts'

const settled = () => new Promise((resolve) => setImmediate(resolve))
const queueFull = () => new Error('queue full')

/** Tasks by their ids, each of which runs until `end`. */
function createTasks(limit: ReturnType<typeof createConcurrencyLimit>) {
  const started: number[] = []
  const ends = new Map<number, (error?: Error) => void>()
  return {
    started,
    run: (id: number, queueTimeout?: QueueTimeout) =>
      limit(() => {
        started.push(id)
        return new Promise<number>((resolve, reject) => ends.set(id, (error) => (error ? reject(error) : resolve(id))))
      }, queueTimeout),
    end: (id: number, error?: Error) => ends.get(id)!(error),
  }
}

test('the concurrency limit runs maxConcurrent tasks, queues maxQueued tasks in order, and rejects further tasks', async () => {
  const { started, run, end } = createTasks(
    createConcurrencyLimit({ maxConcurrent: 2, maxQueued: 3, onQueueFull: queueFull }),
  )
  const results = [0, 1, 2, 3, 4].map((id) => run(id))
  await assert.rejects(run(5), /queue full/)
  assert.deepEqual(started, [0, 1])
  end(1)
  await settled()
  end(0, new Error('failed')) // the next one runs all the same
  await assert.rejects(results[0]!, /failed/)
  assert.deepEqual(started, [0, 1, 2, 3])
  for (const id of [2, 3]) end(id)
  await settled()
  end(4)
  assert.deepEqual(await Promise.all(results.slice(1)), [1, 2, 3, 4])
  const last = [run(6), run(7)]
  assert.deepEqual(started.slice(5), [6, 7])
  end(6)
  end(7)
  await Promise.all(last)
})

test('the concurrency limit queues any number of tasks without maxQueued', async () => {
  const { started, run, end } = createTasks(createConcurrencyLimit({ maxConcurrent: 1 }))
  const ids = Array.from({ length: 1000 }, (_, id) => id)
  const results = ids.map((id) => run(id))
  for (const id of ids) {
    assert.equal(started.length, id + 1)
    end(id)
    await settled()
  }
  assert.deepEqual(await Promise.all(results), ids)
})

test('the concurrency limit does not let a new task overtake a queued one when a place is free', async () => {
  const { started, run, end } = createTasks(createConcurrencyLimit({ maxConcurrent: 1 }))
  const results = [run(0), run(1)]
  end(0)
  await results[0]
  results.push(run(2))
  await settled()
  assert.deepEqual(started, [0, 1])
  end(1)
  await settled()
  end(2)
  await Promise.all(results)
})

test('the concurrency limit rejects a task that waits longer than its timeout, without running it, and keeps the order of the other tasks', async () => {
  const { started, run, end } = createTasks(
    createConcurrencyLimit({ maxConcurrent: 1, maxQueued: 2, onQueueFull: queueFull }),
  )
  const onTimeout = () => new Error('timed out')
  const first = run(0, { timeoutMs: 1, onTimeout }) // does not wait
  const late = run(1, { timeoutMs: 5, onTimeout })
  const next = run(2, { timeoutMs: 60_000, onTimeout })
  await assert.rejects(late, /timed out/)
  const last = run(3) // in the place of the one that timed out
  await assert.rejects(run(4), /queue full/)
  end(0)
  await first
  await settled()
  end(2)
  await next
  await settled()
  end(3)
  await last
  await sleep(10)
  assert.deepEqual(started, [0, 2, 3])
})

test('the concurrency limit frees the place of a task that throws', async () => {
  const limit = createConcurrencyLimit({ maxConcurrent: 1 })
  await assert.rejects(
    limit(() => {
      throw new Error('thrown')
    }),
    /thrown/,
  )
  assert.equal(await limit(async () => 'next'), 'next')
})
