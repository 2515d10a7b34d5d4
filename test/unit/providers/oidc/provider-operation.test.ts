import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { operationOf } from '../../../../src/providers/oidc/provider-operation.ts'

const metadata = {
  jwks_uri: 'https://idp.test/.well-known/jwks.json',
  token_endpoint: 'https://IDP.test:443/token',
  userinfo_endpoint: 'https://idp.test/userinfo',
  introspection_endpoint: 'https://idp.test/introspect',
  revocation_endpoint: 'https://idp.test/revoke',
  pushed_authorization_request_endpoint: 'https://idp.test/par',
}

describe('a call to the provider is counted by its operation', () => {
  const rows: [url: string, operation: string][] = [
    ['https://idp.test/realms/a/.well-known/openid-configuration', 'discovery'],
    ['https://idp.test/.well-known/oauth-authorization-server/a', 'discovery'],
    ['https://idp.test/.well-known/jwks.json', 'jwks'],
    ['https://idp.test/token', 'token'],
    ['https://idp.test/userinfo', 'userinfo'],
    ['https://idp.test/introspect', 'introspection'],
    ['https://idp.test/revoke', 'revocation'],
    ['https://idp.test/par', 'par'],
    ['https://idp.test/elsewhere', 'other'],
  ]
  for (const [url, operation] of rows) {
    test(`a call to ${url} is counted as ${operation}`, () => {
      assert.equal(operationOf(new URL(url), metadata), operation)
    })
  }

  test('before the metadata is known, every call except discovery is counted as other', () => {
    assert.equal(operationOf(new URL(rows[0]![0]), {}), 'discovery')
    assert.equal(operationOf(new URL('https://idp.test/token'), {}), 'other')
  })
})
