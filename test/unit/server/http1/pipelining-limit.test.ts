import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { mustBeLast } from '../../../../src/server/http1/pipelining-limit.ts'

const request = (url = '/', rawHeaders: string[] = ['Host', 'es'], readableLength = 0) =>
  ({ url, rawHeaders, readableLength }) as IncomingMessage
const many = (count: number) => Array.from({ length: count }, () => request())
const kilobytes = (count: number) => 'x'.repeat(count * 1024)

const cases: [what: string, pending: IncomingMessage[], expected: boolean][] = [
  ['a request alone', [request()], false],
  ['a request alone, with the largest head', [request('/', ['x', kilobytes(64)])], false],
  ['the 31st request', many(31), false],
  ['the 32nd request', many(32), true],
  ['a request behind a large head', [request('/', ['x', kilobytes(32)]), request()], true],
  ['a large head behind a request', [request(), request('/', ['x', kilobytes(32)])], true],
  ['a request with a long target', [request(), request(kilobytes(32))], true],
  ['a request behind a body that nobody has read', [request('/', [], 32 * 1024), request()], true],
  ['a request behind many empty headers', [request('/', Array(1000).fill('')), request()], true],
  ['a request behind 30 kB', [request('/', ['x', kilobytes(30)]), request()], false],
]
for (const [what, pending, expected] of cases) {
  test(`${what} ${expected ? 'is' : 'is not'} the last of its connection`, () => {
    assert.equal(mustBeLast(pending), expected)
  })
}
