import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonResponse } from '../../../src/http/response.ts'

test('a JSON answer: its length in bytes, for nobody to keep', () => {
  const { status, headers, body, username } = jsonResponse(200, { name: 'Žofie 李' }, 'bob')
  assert.deepEqual([status, username, JSON.parse(body)], [200, 'bob', { name: 'Žofie 李' }])
  const length = String(Buffer.byteLength(body))
  const expected = [
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    length,
    'Cache-Control',
    'no-store',
  ]
  assert.deepEqual(headers, expected)
})
