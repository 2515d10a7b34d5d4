import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { createIsTrustedPeer } from '../../../src/auth/trust/trust.ts'
import { createIsDirectRequest } from '../../../src/endpoints/direct-request.ts'

const isLocal = createIsTrustedPeer(['loopback', 'private', 'unix'])
const isDirectRequest = createIsDirectRequest({
  isLocalPeer: ({ remoteAddress }) => isLocal({ address: remoteAddress, isUnixSocket: remoteAddress === undefined }),
  isLocalAddress: (address) => isLocal({ address }),
  proxySecretHeader: 'X-Secret',
})

type Parts = Readonly<{ peer?: string | undefined; headers?: Record<string, string>; httpVersion?: string }>

function isDirect({ peer = '10.1.2.3', headers = {}, httpVersion = '1.1' }: Parts): boolean {
  const request = { socket: { remoteAddress: peer }, headers: { host: '10.0.0.5:5000', ...headers }, httpVersion }
  return isDirectRequest(request as Partial<IncomingMessage> as IncomingMessage)
}

describe('a request is direct', () => {
  for (const peer of ['127.0.0.1', '::1', '10.1.2.3', '192.168.0.9', '172.31.0.1', 'fd00::1', '::ffff:10.1.2.3'])
    test(`a request from ${peer} is direct`, () => assert.ok(isDirect({ peer })))

  test('a request through a unix socket is direct', () => {
    const request = { socket: {}, headers: { host: 'localhost' }, httpVersion: '1.1' }
    assert.ok(isDirectRequest(request as unknown as IncomingMessage))
  })

  for (const host of [
    '127.0.0.1',
    '[::1]:5000',
    '[fd00::1]',
    'localhost:5000',
    'elastauth',
    'elastauth:5000',
    'elastauth_1',
    'elastauth.logging.svc.cluster.local:5000',
    'elastauth.logging.svc',
    'es.corp.internal.',
    'box.home.arpa',
  ])
    test(`a request with Host ${host} is direct`, () => assert.ok(isDirect({ headers: { host } })))
})

describe('a request that may come from anywhere is not direct', () => {
  for (const peer of ['203.0.113.7', '172.32.0.1', '100.64.0.1', '2001:db8::1', '::ffff:203.0.113.7'])
    test(`a request from the public address ${peer} is not direct`, () => assert.ok(!isDirect({ peer })))

  for (const name of [
    'forwarded',
    'via',
    'x-real-ip',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-anything',
    'x-secret',
  ])
    test(`a request with ${name} is not direct`, () => assert.ok(!isDirect({ headers: { [name]: '127.0.0.1' } })))

  test('a request with HTTP/1.0, which nginx before 1.29.7 uses, is not direct', () => {
    assert.ok(!isDirect({ httpVersion: '1.0' }))
  })

  for (const host of [
    '',
    'logs.example.com',
    'evil.test:5000',
    'localhost.evil.test',
    'internal.evil.test',
    '203.0.113.7:5000',
    '[2001:db8::1]:5000',
    '10.0.0.5.evil.test',
    '10.0.0.5@evil.test',
    'svc.example.com.',
    'a b',
  ])
    test(`a request with Host ${JSON.stringify(host)}, as of a reverse proxy without headers or by DNS rebinding, is not direct`, () =>
      assert.ok(!isDirect({ peer: '127.0.0.1', headers: { host } })))
})
