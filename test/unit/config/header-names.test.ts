import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { canonicalizeHeaderName, connectionSpecificHeaders, hopByHopHeaders } from '../../../config/header-names.ts'

describe('canonicalizeHeaderName', () => {
  for (const spelling of ['Remote-User', 'remote-user', 'REMOTE_USER', 'Remote.User', 'rEmOtE_uSeR'])
    test(`canonicalizeHeaderName writes ${spelling} as remote-user`, () =>
      assert.equal(canonicalizeHeaderName(spelling), 'remote-user'))
  for (const [name, expected] of [
    ['X_Forwarded.For', 'x-forwarded-for'],
    ['__proto__', '--proto--'],
    ['remoteuser', 'remoteuser'],
    ['remote--user', 'remote--user'],
    ['remote-user ', 'remote-user '],
    ['remote~user', 'remote~user'],
    ['', ''],
  ] as const)
    test(`canonicalizeHeaderName writes "${name}" as "${expected}"`, () =>
      assert.equal(canonicalizeHeaderName(name), expected))
  test('canonicalizeHeaderName does not change a canonical name', () =>
    assert.equal(canonicalizeHeaderName(canonicalizeHeaderName('A_B.C')), canonicalizeHeaderName('A_B.C')))
})

describe('hopByHopHeaders', () => {
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])
    test(`hopByHopHeaders has ${name}`, () => assert.ok(hopByHopHeaders.has(name)))
  for (const name of ['content-length', 'host', 'cookie', 'date', 'via', 'expect', 'sec-websocket-accept'])
    test(`hopByHopHeaders does not have ${name}, which is an end-to-end header`, () =>
      assert.ok(!hopByHopHeaders.has(name)))
  test('hopByHopHeaders has every header that HTTP/2 forbids, and HTTP/2 does not forbid te and trailer', () => {
    for (const name of connectionSpecificHeaders) assert.ok(hopByHopHeaders.has(name), name)
    assert.ok(!connectionSpecificHeaders.has('te') && !connectionSpecificHeaders.has('trailer'))
  })
})
