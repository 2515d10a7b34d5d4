import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseResponse } from '../../support/raw-http.ts'

const rows: [what: string, text: string, isHead: boolean, expected: [status: number, body: string, rest: string]][] = [
  ['a body with Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP', false, [200, 'ok', 'HTTP']],
  [
    'a chunked body',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx',
    false,
    [200, 'ok', 'x'],
  ],
  ['a response to HEAD without a body', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx', true, [200, '', 'x']],
  ['a response with 304 without a body', 'HTTP/1.1 304 N\r\nContent-Length: 2\r\n\r\nx', false, [304, '', 'x']],
  ['an informational response without a body', 'HTTP/1.1 100 Continue\r\n\r\nHTTP', false, [100, '', 'HTTP']],
  ['a body in UTF-8', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n\xc3\xa9', false, [200, 'é', '']],
]

for (const [what, text, isHead, [status, body, rest]] of rows) {
  test(`the raw client reads ${what}, and leaves the bytes after it`, () => {
    const { response, length } = parseResponse(text, isHead)!
    assert.deepEqual([response.status, response.body, text.slice(length)], [status, body, rest])
  })

  test(`the raw client waits for the rest of ${what}`, () => {
    const { length } = parseResponse(text, isHead)!
    for (let end = 0; end < length; end++) assert.equal(parseResponse(text.slice(0, end), isHead), undefined)
  })
}

test('the raw client rejects bytes that are not a response', () => {
  assert.throws(() => parseResponse('yes!HTTP/1.1 200 OK\r\n\r\n'), /is not a status line/)
  assert.throws(() => parseResponse('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'), /has no length/)
})
