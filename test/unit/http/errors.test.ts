import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { asGatewayError, type ErrorCode, errorTable, GatewayError } from '../../../src/http/errors.ts'

/** The statuses are part of the public interface: a change here breaks callers. */
const statuses: Record<ErrorCode, number> = {
  identity_missing: 401,
  peer_untrusted: 401,
  identity_invalid: 400,
  token_invalid: 401,
  token_expired: 401,
  revoked: 401,
  credential_invalid: 401,
  too_many_attempts: 429,
  group_denied: 403,
  no_roles: 403,
  user_reserved: 403,
  user_foreign: 403,
  user_disabled: 403,
  key_conflict: 503,
  password_change_denied: 403,
  login_failed: 400,
  login_denied: 403,
  login_insecure: 400,
  logout_invalid: 400,
  cross_site: 403,
  not_permitted: 403,
  not_found: 404,
  method_not_allowed: 405,
  headers_too_large: 431,
  payload_invalid: 400,
  payload_too_large: 413,
  http_version_unsupported: 505,
  request_timeout: 408,
  provider_unavailable: 503,
  provider_rejected: 502,
  sessions_unavailable: 503,
  elasticsearch_unavailable: 503,
  elasticsearch_rejected: 502,
  upstream_unavailable: 502,
  upstream_protocol: 502,
  upstream_timeout: 504,
  audit_unavailable: 503,
  overloaded: 503,
  stopping: 503,
  client_closed: 499,
  internal: 500,
}

describe('the error table', () => {
  for (const [code, status] of Object.entries(statuses)) {
    test(`the error table maps ${code} to ${status}`, () => assert.equal(errorTable[code as ErrorCode].status, status))
  }

  test('the error table has no other codes', () =>
    assert.deepEqual(Object.keys(errorTable).sort(), Object.keys(statuses).sort()))

  test('the error table has the same message for an untrusted peer and for a request without identity', () => {
    assert.equal(errorTable.peer_untrusted.message, errorTable.identity_missing.message)
  })

  test('the error table has level error for server errors, and a lower level for client errors', () => {
    for (const { status, level } of Object.values(errorTable))
      assert.equal(level === 'error', status >= 500 && status !== 505)
  })

  test('the error table has only messages that need no escaping in JSON or HTML', () => {
    for (const { message } of Object.values(errorTable)) assert.match(message, /^[A-Z][A-Za-z ,]+$/)
  })
})

describe('GatewayError', () => {
  test('a GatewayError has separate code, detail, username and cause', () => {
    const cause = new Error('cause')
    const error = new GatewayError('user_foreign', 'the detail', { cause, username: 'bob' })
    assert.deepEqual(
      [error.name, error.code, error.detail, error.username, error.cause],
      ['GatewayError', 'user_foreign', 'the detail', 'bob', cause],
    )
    assert.ok(error instanceof Error)
  })

  test('asGatewayError returns a GatewayError unchanged', () => {
    const error = new GatewayError('no_roles', '')
    assert.equal(asGatewayError(error), error)
  })

  for (const thrown of [new TypeError('broken'), 'text', undefined, null, 7, { code: 'no_roles' }]) {
    test(`asGatewayError returns an error with code internal if ${String(thrown)} was thrown`, () => {
      const error = asGatewayError(thrown)
      assert.equal(error.code, 'internal')
      assert.equal(error.cause, thrown)
      assert.equal(error.detail, thrown instanceof Error ? thrown.message : String(thrown))
    })
  }
})

test('the detail of an error contains no control character or line break, because a service or an intermediary may choose a part of it', () => {
  const reason = 'Elasticsearch responded with 500: a\r\nb\u001b[31m\u009b31m\u2028\u007f é'
  const escaped = 'Elasticsearch responded with 500: a\\u000d\\u000ab\\u001b[31m\\u009b31m\\u2028\\u007f é'
  for (const error of [new GatewayError('elasticsearch_unavailable', reason), asGatewayError(new Error(reason))])
    assert.equal(error.detail, escaped)
})

test('the detail of an error is cut after 8,192 characters, because a response of Elasticsearch may have some megabytes', () => {
  assert.equal(new GatewayError('elasticsearch_unavailable', 'x'.repeat(1e6)).detail, 'x'.repeat(8192))
})
