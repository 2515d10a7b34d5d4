import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonResponse } from '../../../src/http/response.ts'

test('jsonResponse sets the length in bytes and forbids caching', () => {
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
