import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../../src/http/errors.ts'
import { mayHaveConsumedToken } from '../../../src/login/refresh-outcome.ts'

const call = (code: string) =>
  new Error('something went wrong', {
    cause: new GatewayError('provider_unavailable', 'x', { cause: Object.assign(new Error(), { code }) }),
  })
const answer = (status: number) =>
  Object.assign(new Error(), { code: 'OAUTH_RESPONSE_IS_NOT_CONFORM', cause: { status } })

const rows: readonly [what: string, thrown: unknown, may: boolean][] = [
  ['connection refused', call('ECONNREFUSED'), false],
  ['no such host', call('ENOTFOUND'), false],
  ['no connection in time', call('UND_ERR_CONNECT_TIMEOUT'), false],
  ['too many calls wait already', new Error('x', { cause: new GatewayError('provider_unavailable', 'x') }), false],
  ['500', answer(500), false],
  ['503 with an error in JSON', Object.assign(new Error(), { status: 503, cause: { error: 'x' } }), false],
  ['400 invalid_client', Object.assign(new Error(), { status: 400 }), false],
  ['cut off', call('UND_ERR_SOCKET'), true],
  ['reset', call('ECONNRESET'), true],
  ['no answer in time', call('UND_ERR_HEADERS_TIMEOUT'), true],
  ['half an answer', call('UND_ERR_BODY_TIMEOUT'), true],
  ['an answer that is a page', answer(200), true],
  ['an ID token that is wrong', Object.assign(new Error(), { code: 'OAUTH_INVALID_RESPONSE' }), true],
  ['nobody knows what', 'x', true],
]

for (const [what, thrown, may] of rows) {
  test(`${what}: the refresh token ${may ? 'may be spent' : 'is as good as before'}`, () =>
    assert.equal(mayHaveConsumedToken(thrown), may))
}
