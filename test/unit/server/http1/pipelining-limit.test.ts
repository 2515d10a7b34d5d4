import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { mustBeLast } from '../../../../src/server/http1/pipelining-limit.ts'

const createRequest = (url = '/', rawHeaders: string[] = ['Host', 'es'], readableLength = 0) =>
  ({ req: { url, rawHeaders, readableLength } }) as ServerResponse
const createRequests = (count: number) => Array.from({ length: count }, () => createRequest())
const kilobytes = (count: number) => 'x'.repeat(count * 1024)

const cases: [subject: string, pending: ServerResponse[], isLast: boolean][] = [
  ['a single request', [createRequest()], false],
  ['a single request with the largest head', [createRequest('/', ['x', kilobytes(64)])], false],
  ['the 31st request', createRequests(31), false],
  ['the 32nd request', createRequests(32), true],
  [
    'a request that follows a request with a large head',
    [createRequest('/', ['x', kilobytes(32)]), createRequest()],
    true,
  ],
  [
    'a request with a large head that follows another request',
    [createRequest(), createRequest('/', ['x', kilobytes(32)])],
    true,
  ],
  ['a request with a long target that follows another request', [createRequest(), createRequest(kilobytes(32))], true],
  ['a request that follows a request with an unread body', [createRequest('/', [], 32 * 1024), createRequest()], true],
  [
    'a request that follows a request with many empty headers',
    [createRequest('/', Array(1000).fill('')), createRequest()],
    true,
  ],
  [
    'a request that follows a request with 30 kB of headers',
    [createRequest('/', ['x', kilobytes(30)]), createRequest()],
    false,
  ],
]
for (const [subject, pending, isLast] of cases) {
  test(`${subject} ${isLast ? 'is' : 'is not'} the last request of its connection`, () => {
    assert.equal(mustBeLast(pending), isLast)
  })
}
