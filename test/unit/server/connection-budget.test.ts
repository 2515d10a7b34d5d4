import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeConnectionBudget } from '../../../src/server/connection-budget.ts'

const gigabyte = 1024 ** 3
const silent = { info: assert.fail, debug: assert.fail }

test('the connection budget logs nothing if the heap has room for max_connections', () => {
  for (const isDefault of [true, false]) {
    const options = { maxConnections: 6_000, isDefault, log: silent, heapBytes: 4 * gigabyte }
    assert.ok(computeConnectionBudget(options) >= 6_000)
  }
})

test('a small heap lowers max_connections to what fits in half of it, and logs the lower limit', () => {
  for (const isDefault of [true, false]) {
    const lines: unknown[] = []
    const log = { ...silent, info: (line: unknown) => void lines.push(line) }
    assert.equal(computeConnectionBudget({ maxConnections: 10_000, isDefault, log, heapBytes: gigabyte / 8 }), 204)
    assert.match(
      String(lines),
      /^max_connections is 10000, but the heap of 128 MiB is enough for 204: .*--max-old-space-size/,
    )
    const exact = { maxConnections: 204, isDefault, log: silent, heapBytes: gigabyte / 8 }
    assert.equal(computeConnectionBudget(exact), 204)
  }
})

for (const [condition, isDefault, budget, expected] of [
  ['that the operator has set', false, 6_000, 'info'],
  ['at its default, with room for 1,000 connections', true, 1_000, 'debug'],
  ['at its default, with room for fewer than 1,000 connections', true, 999, 'info'],
] as const) {
  test(`a connection limit below a max_connections ${condition} is logged at level ${expected}`, () => {
    const levels: string[] = []
    const log = { info: () => void levels.push('info'), debug: () => void levels.push('debug') }
    const heapBytes = budget * 640 * 1024
    assert.equal(computeConnectionBudget({ maxConnections: 10_000, isDefault, log, heapBytes }), budget)
    assert.deepEqual(levels, [expected])
  })
}
