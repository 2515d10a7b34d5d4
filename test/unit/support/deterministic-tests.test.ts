import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../../..')
const files = globSync('test/**/*.ts', { cwd: root }).filter(
  (file) => file !== 'test/unit/support/deterministic-tests.test.ts',
)
const filesWith = (pattern: RegExp) => files.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')))

test('no test uses unseeded random numbers instead of createRandom of test/support/fuzz/random.ts', () => {
  assert.deepEqual(filesWith(/\bMath\.random\b/), [])
})

test('every property test has a seed, because it imports fast-check through test/support/property.ts', () => {
  assert.deepEqual(filesWith(/from 'fast-check'/), ['test/support/property.ts'])
})

test('no test listens on a fixed port instead of port 0 or findFreePort of test/support/port.ts', () => {
  assert.deepEqual(filesWith(/listen: '127\.0\.0\.1:[1-9]\d*'|\.listen\([1-9]/), [])
})
