import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { errors } from 'undici'
import { GatewayError } from '../../../src/http/errors.ts'
import { toUpstreamError } from '../../../src/proxy/upstream-error.ts'

const https = 'https://es:9200'
const failed = (code: string, message = 'it failed') => Object.assign(new Error(message), { code })

describe('the code of an upstream error tells which side failed', () => {
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
    [new Error('unexpected'), 'upstream_unavailable'],
  ]
  for (const [error, code] of rows) {
    test(`maps ${error.name}: ${error.message} to ${code}`, () => {
      const failure = toUpstreamError(error, https, true)
      assert.equal(failure.code, code)
      assert.equal(failure.cause, error)
    })
  }

  test('the mapping of upstream errors returns a GatewayError unchanged', () => {
    const error = new GatewayError('client_closed', 'the client closed the connection')
    assert.equal(toUpstreamError(error, https, true), error)
  })
})

describe('the detail of an upstream error names the upstream, the error and the fix', () => {
  const openssl = (reason: string) =>
    `40A3ED792C7F0000:error:0A00045C:SSL routines:ssl3_read_bytes:${reason}:x.c:918:\n`
  const rows: [what: string, error: Error, detail: RegExp][] = [
    [
      'a refused connection, without a hint',
      failed('ECONNREFUSED', 'connect ECONNREFUSED'),
      /^https:\/\/es:9200: ECONNREFUSED: connect ECONNREFUSED$/,
    ],
    [
      'the failure of all addresses of a name',
      new AggregateError([new Error('a'), new Error('b')]),
      /: AggregateError: a, b$/,
    ],
    ['a certificate of an unknown CA', failed('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), /ca_cert/],
    ['a certificate that is not valid yet', failed('CERT_NOT_YET_VALID'), /clocks/],
    [
      'a TLS alert named by its code',
      failed('ERR_SSL_X', openssl('tlsv13 alert certificate required')),
      /requires a client certificate/,
    ],
    [
      'a TLS alert named by its message',
      failed('EPROTO', openssl('ssl/tls alert bad certificate')),
      /rejects our client certificate/,
    ],
    ['an upstream without TLS', failed('EPROTO', openssl('wrong version number')), /use http:\/\//],
  ]
  for (const [what, error, detail] of rows) {
    test(`the detail of an upstream error explains ${what}`, () =>
      assert.match(toUpstreamError(error, https, true).detail, detail))
  }

  test('the detail of an upstream error suggests a client certificate if a TLS connection closes before a response, without an alert', () => {
    const closed = new errors.SocketError('other side closed')
    assert.match(toUpstreamError(closed, https, true).detail, /client_cert/)
    assert.doesNotMatch(toUpstreamError(closed, https, false).detail, /client_cert/)
    assert.doesNotMatch(toUpstreamError(closed, 'http://es:9200', true).detail, /client_cert/)
  })
})
