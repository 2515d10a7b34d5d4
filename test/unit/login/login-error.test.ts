import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AuthorizationResponseError, ResponseBodyError } from 'openid-client'
import { toLoginError } from '../../../src/login/login-error.ts'

describe("the provider's errors during a login", () => {
  const rows: [error: string, code: string, detail: RegExp][] = [
    ['invalid_client', 'provider_rejected', /invalid_client: check oidc\.client_id, oidc\.client_secret/],
    ['unauthorized_client', 'provider_rejected', /allow this client the authorization code flow/],
    ['invalid_scope', 'provider_rejected', /invalid_scope: remove the scopes .* from oidc\.scopes/],
    ['invalid_request', 'provider_rejected', /redirect URI/],
    ['invalid_grant', 'login_failed', /400 invalid_grant$/],
    ['server_error', 'provider_unavailable', /400 server_error$/],
    ['<script>', 'provider_unavailable', /an error code that is not valid$/],
    ['constructor', 'provider_unavailable', /400 constructor$/],
  ]
  for (const [error, code, detail] of rows) {
    test(`the token endpoint's error ${error} becomes ${code}`, () => {
      const response = new Response(null, { status: 400 })
      const failure = toLoginError(new ResponseBodyError('x', { cause: { error }, response }))
      assert.equal(failure.code, code)
      assert.match(failure.detail, detail)
    })
  }

  for (const [error, code] of [
    ['invalid_scope', 'provider_rejected'],
    ['unauthorized_client', 'provider_rejected'],
    ['access_denied', 'login_denied'],
    ['temporarily_unavailable', 'provider_unavailable'],
    ['constructor', 'login_failed'],
  ] as const) {
    test(`the authorization endpoint's error ${error} becomes ${code}`, () => {
      const failure = toLoginError(new AuthorizationResponseError('x', { cause: new URLSearchParams({ error }) }))
      assert.equal(failure.code, code)
    })
  }
})
