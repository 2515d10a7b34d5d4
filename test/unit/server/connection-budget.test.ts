import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeConnectionBudget } from '../../../src/server/connection-budget.ts'

const gigabyte = 1024 ** 3

test('the connection budget logs nothing if the heap has room for max_connections', () => {
  assert.ok(computeConnectionBudget(6_000, { info: assert.fail }, 4 * gigabyte) >= 6_000)
})

test('a small heap lowers max_connections to what fits in half of it, and logs the lower limit', () => {
  const lines: unknown[] = []
  const info = (line: unknown) => void lines.push(line)
  assert.equal(computeConnectionBudget(10_000, { info }, gigabyte / 8), 204)
  assert.match(
    String(lines),
    /^max_connections is 10000, but the heap of 128 MiB is enough for 204: .*--max-old-space-size/,
  )
  assert.equal(computeConnectionBudget(204, { info: assert.fail }, gigabyte / 8), 204)
})
