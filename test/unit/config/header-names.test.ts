import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { canonicalizeHeaderName, connectionSpecificHeaders, hopByHopHeaders } from '../../../config/header-names.ts'

describe('canonicalizeHeaderName', () => {
  for (const spelling of ['Remote-User', 'remote-user', 'REMOTE_USER', 'Remote.User', 'rEmOtE_uSeR'])
    test(`takes ${spelling} for remote-user`, () => assert.equal(canonicalizeHeaderName(spelling), 'remote-user'))
  for (const [name, expected] of [
    ['X_Forwarded.For', 'x-forwarded-for'],
    ['__proto__', '--proto--'],
    ['remoteuser', 'remoteuser'],
    ['remote--user', 'remote--user'],
    ['remote-user ', 'remote-user '],
    ['remote~user', 'remote~user'],
    ['', ''],
  ] as const)
    test(`writes "${name}" as "${expected}"`, () => assert.equal(canonicalizeHeaderName(name), expected))
  test('changes nothing the second time', () =>
    assert.equal(canonicalizeHeaderName(canonicalizeHeaderName('A_B.C')), canonicalizeHeaderName('A_B.C')))
})

describe('hopByHopHeaders', () => {
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])
    test(`has ${name}`, () => assert.ok(hopByHopHeaders.has(name)))
  for (const name of ['content-length', 'host', 'cookie', 'date', 'via', 'expect', 'sec-websocket-accept'])
    test(`does not have ${name}, which concerns both ends`, () => assert.ok(!hopByHopHeaders.has(name)))
  test('has every header that HTTP/2 forbids, and allows HTTP/2 `te` and `trailer`', () => {
    for (const name of connectionSpecificHeaders) assert.ok(hopByHopHeaders.has(name), name)
    assert.ok(!connectionSpecificHeaders.has('te') && !connectionSpecificHeaders.has('trailer'))
  })
})
