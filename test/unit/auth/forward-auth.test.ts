import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthorizedResponse } from '../../../src/auth/forward-auth.ts'
import type { Identity } from '../../../src/auth/identity.ts'
import { identity } from './credentials/fixture.ts'

const credential = { authorization: 'Basic Ym9iOmh1bnRlcjI=' }

const answerAuthorized = createAuthorizedResponse()
const answerTo = (who: Identity) => answerAuthorized({ identity: who, roles: [], credential })

test('200 with the credential, once, for nobody to keep', () => {
  const { status, headers, body, username } = answerTo(identity())
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

test('the body says who it is, and no password', () => {
  const { headers, body } = answerTo(identity({ groups: ['a', 'b'], email: 'bob@example.com', name: 'Žofie "B" 李' }))
  const { message, ...rest } = JSON.parse(body)
  assert.equal(message, 'Authentication successful')
  assert.deepEqual(rest, { username: 'bob', groups: ['a', 'b'], email: 'bob@example.com', name: 'Žofie "B" 李' })
  assert.doesNotMatch(body, /Ym9iOmh1bnRlcjI|hunter2/)
  assert.equal(headers[5], String(Buffer.byteLength(body)), 'bytes, not characters')
})

test('what is not known is left out', () => {
  assert.deepEqual(Object.keys(JSON.parse(answerTo(identity()).body)), ['message', 'username', 'groups'])
})

test('the body of an identity is made once, its credential is that of each answer', () => {
  const who = identity()
  const first = answerTo(who)
  const second = answerAuthorized({ identity: who, roles: [], credential: { authorization: 'Basic bmV4dA==' } })
  assert.equal(second.body, first.body)
  assert.equal(second.headers[1], 'Basic bmV4dA==')
  assert.equal(first.headers[1], credential.authorization)
})

test('two who share a credential’s time never share a body', () => {
  assert.equal(JSON.parse(answerTo(identity({ username: 'carol' })).body).username, 'carol')
})
