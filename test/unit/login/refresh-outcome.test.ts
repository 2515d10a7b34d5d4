import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../../src/http/errors.ts'
import { mayHaveConsumedToken } from '../../../src/login/refresh-outcome.ts'

const failedCall = (code: string) =>
  new Error('something went wrong', {
    cause: new GatewayError('provider_unavailable', 'x', { cause: Object.assign(new Error(), { code }) }),
  })
const invalidResponse = (status: number) =>
  Object.assign(new Error(), { code: 'OAUTH_RESPONSE_IS_NOT_CONFORM', cause: { status } })

const rows: readonly [failure: string, thrown: unknown, mayBeConsumed: boolean][] = [
  ['a refused connection', failedCall('ECONNREFUSED'), false],
  ['an unknown host', failedCall('ENOTFOUND'), false],
  ['a connect timeout', failedCall('UND_ERR_CONNECT_TIMEOUT'), false],
  ['a full queue of calls', new Error('x', { cause: new GatewayError('provider_unavailable', 'x') }), false],
  ['a response with 500', invalidResponse(500), false],
  ['a JSON error with 503', Object.assign(new Error(), { status: 503, cause: { error: 'x' } }), false],
  ['invalid_client with 400', Object.assign(new Error(), { status: 400 }), false],
  ['a closed connection', failedCall('UND_ERR_SOCKET'), true],
  ['a connection reset', failedCall('ECONNRESET'), true],
  ['a response timeout', failedCall('UND_ERR_HEADERS_TIMEOUT'), true],
  ['a timeout within the response', failedCall('UND_ERR_BODY_TIMEOUT'), true],
  ['an HTML page in place of JSON', invalidResponse(200), true],
  ['an invalid ID token', Object.assign(new Error(), { code: 'OAUTH_INVALID_RESPONSE' }), true],
  ['an unknown error', 'x', true],
]

for (const [failure, thrown, mayBeConsumed] of rows) {
  test(`treats the refresh token as ${mayBeConsumed ? 'possibly consumed' : 'still valid'} after ${failure}`, () =>
    assert.equal(mayHaveConsumedToken(thrown), mayBeConsumed))
}
