import assert from 'node:assert/strict'
import { test } from 'node:test'
import { affordableConnections } from '../../src/affordable-connections.ts'

const gigabyte = 1024 ** 3

test('a heap that holds the largest heads of all connections takes as many as were asked for, in silence', () => {
  assert.equal(affordableConnections(10_000, { info: assert.fail }, 4 * gigabyte), 10_000)
})

test('a smaller one takes as many as it holds, and says so', () => {
  const lines: unknown[] = []
  const info = (line: unknown) => void lines.push(line)
  assert.equal(affordableConnections(10_000, { info }, gigabyte / 8), 390)
  assert.match(
    String(lines),
    /^max_connections is 10000, but the heap of 128 MiB is enough for 390: .*--max-old-space-size/,
  )
  assert.equal(affordableConnections(390, { info: assert.fail }, gigabyte / 8), 390)
})
