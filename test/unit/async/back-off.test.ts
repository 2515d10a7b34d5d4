import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backOffMs } from '../../../src/async/back-off.ts'

describe('exponential back-off from 1000 ms to 30 s', () => {
  for (const [retry, expected] of [
    [0, 1000],
    [1, 2000],
    [4, 16_000],
    [5, 30_000],
    [10, 30_000],
    [1023, 30_000],
    [1024, 30_000], // 2 ** 1024 is Infinity
    [Number.MAX_SAFE_INTEGER, 30_000],
  ] as const)
    test(`exponential back-off waits ${expected} ms before retry ${retry}`, () =>
      assert.equal(backOffMs(retry, { firstMs: 1000, maxMs: 30_000 }), expected))
})
