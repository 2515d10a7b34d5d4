import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { errors } from 'undici'
import { GatewayError } from '../../../src/http/errors.ts'
import { toUpstreamError } from '../../../src/proxy/upstream-error.ts'

const https = 'https://es:9200'
const failed = (code: string, message = 'it failed') => Object.assign(new Error(message), { code })

describe('the code says whose fault it was', () => {
  const rows: [error: Error, code: string][] = [
    [failed('ECONNREFUSED'), 'upstream_unavailable'],
    [failed('ENOTFOUND'), 'upstream_unavailable'],
    [failed('ETIMEDOUT'), 'upstream_timeout'],
    [new errors.ConnectTimeoutError(), 'upstream_timeout'],
    [new errors.HeadersTimeoutError(), 'upstream_timeout'],
    [new errors.BodyTimeoutError(), 'upstream_timeout'],
    [new errors.HTTPParserError('Invalid header'), 'upstream_protocol'],
    [new errors.HeadersOverflowError(), 'upstream_protocol'],
    [new errors.SocketError('bad upgrade'), 'upstream_protocol'],
    [new errors.SocketError('other side closed'), 'upstream_unavailable'],
    [new errors.InvalidArgumentError('invalid header'), 'internal'],
    [new Error('nobody foresaw it'), 'upstream_unavailable'],
  ]
  for (const [error, code] of rows) {
    test(`${error.name}: ${error.message} → ${code}`, () => {
      const failure = toUpstreamError(error, https, true)
      assert.equal(failure.code, code)
      assert.equal(failure.cause, error)
    })
  }

  test('one of ours stays what it is', () => {
    const ours = new GatewayError('client_closed', 'the client left')
    assert.equal(toUpstreamError(ours, https, true), ours)
  })
})

describe('the detail names the upstream, what happened, and the fix', () => {
  const openssl = (reason: string) =>
    `40A3ED792C7F0000:error:0A00045C:SSL routines:ssl3_read_bytes:${reason}:x.c:918:\n`
  const rows: [what: string, error: Error, detail: RegExp][] = [
    [
      'what says enough',
      failed('ECONNREFUSED', 'connect ECONNREFUSED'),
      /^https:\/\/es:9200: ECONNREFUSED: connect ECONNREFUSED$/,
    ],
    ['all addresses of a name', new AggregateError([new Error('a'), new Error('b')]), /: AggregateError: a, b$/],
    ['an unknown authority', failed('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), /ca_cert/],
    ['a certificate of tomorrow', failed('CERT_NOT_YET_VALID'), /clocks/],
    [
      'an alert by code',
      failed('ERR_SSL_X', openssl('tlsv13 alert certificate required')),
      /requires a client certificate/,
    ],
    ['an alert in words', failed('EPROTO', openssl('ssl/tls alert bad certificate')), /rejects our client certificate/],
    ['no TLS', failed('EPROTO', openssl('wrong version number')), /use http:\/\//],
  ]
  for (const [what, error, detail] of rows) {
    test(what, () => assert.match(toUpstreamError(error, https, true).detail, detail))
  }

  test('an end without a word may be a client certificate’s fault, where there is TLS and no answer yet', () => {
    const end = new errors.SocketError('other side closed')
    assert.match(toUpstreamError(end, https, true).detail, /client_cert/)
    assert.doesNotMatch(toUpstreamError(end, https, false).detail, /client_cert/)
    assert.doesNotMatch(toUpstreamError(end, 'http://es:9200', true).detail, /client_cert/)
  })
})
