import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthorizedResponse } from '../../../src/auth/forward-auth.ts'
import type { Identity } from '../../../src/auth/identity.ts'
import { identity } from './credentials/fixture.ts'

const credential = { authorization: 'Basic Ym9iOmh1bnRlcjI=' }

const authorizedResponse = createAuthorizedResponse()
const responseFor = (user: Identity) => authorizedResponse({ identity: user, roles: [], credential })

test('the sub-request response is 200 with exactly one Authorization header, and must not be cached', () => {
  const { status, headers, body, username } = responseFor(identity())
  assert.deepEqual([status, username], [200, 'bob'])
  assert.deepEqual(headers, [
    'Authorization',
    credential.authorization,
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
  ])
})

test('the sub-request response body contains the identity as JSON, and no password', () => {
  const { headers, body } = responseFor(
    identity({ groups: ['a', 'b'], email: 'bob@example.com', name: 'Žofie "B" 李' }),
  )
  const { message, ...rest } = JSON.parse(body)
  assert.equal(message, 'Authentication successful')
  assert.deepEqual(rest, { username: 'bob', groups: ['a', 'b'], email: 'bob@example.com', name: 'Žofie "B" 李' })
  assert.doesNotMatch(body, /Ym9iOmh1bnRlcjI|hunter2/)
  assert.equal(headers[5], String(Buffer.byteLength(body)), 'bytes, not characters')
})

test('the sub-request response body omits a missing email address and name', () => {
  assert.deepEqual(Object.keys(JSON.parse(responseFor(identity()).body)), ['message', 'username', 'groups'])
})

test('the sub-request response body is rendered once for an identity, and each response has its own credential', () => {
  const user = identity()
  const first = responseFor(user)
  const second = authorizedResponse({ identity: user, roles: [], credential: { authorization: 'Basic bmV4dA==' } })
  assert.equal(second.body, first.body)
  assert.equal(second.headers[1], 'Basic bmV4dA==')
  assert.equal(first.headers[1], credential.authorization)
})

test('another identity gets its own sub-request response body', () => {
  assert.equal(JSON.parse(responseFor(identity({ username: 'carol' })).body).username, 'carol')
})
