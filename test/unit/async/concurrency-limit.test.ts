import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConcurrencyLimit } from '../../../src/async/concurrency-limit.ts'

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('so many at a time, so many in line, in order, and no others', async () => {
  const inTurn = createConcurrencyLimit(2, 3)
  const started: number[] = []
  const ends = new Map<number, (error?: Error) => void>()
  const ask = (id: number) =>
    inTurn(() => {
      started.push(id)
      return new Promise<number>((resolve, reject) => ends.set(id, (error) => (error ? reject(error) : resolve(id))))
    })
  const asked = [0, 1, 2, 3, 4].map(ask)
  await assert.rejects(ask(5), { code: 'provider_unavailable' })
  assert.deepEqual(started, [0, 1])
  ends.get(1)!()
  await settled()
  ends.get(0)!(new Error('failed')) // gives its turn on all the same
  await assert.rejects(asked[0]!)
  assert.deepEqual(started, [0, 1, 2, 3])
  for (const id of [2, 3]) ends.get(id)!()
  await settled()
  ends.get(4)!()
  assert.deepEqual(await Promise.all(asked.slice(1)), [1, 2, 3, 4])
  const last = [ask(6), ask(7)]
  assert.deepEqual(started.slice(5), [6, 7])
  ends.get(6)!()
  ends.get(7)!()
  await Promise.all(last)
})
