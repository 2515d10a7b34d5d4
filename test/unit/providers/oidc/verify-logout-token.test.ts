import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVerifyLogoutToken, isLogoutTokenType } from '../../../../src/providers/oidc/verify-logout-token.ts'
import { createSigningKey, signJwt } from '../../../support/oidc/keys.ts'

const rows: readonly [typ: unknown, isAccepted: boolean][] = [
  [undefined, true],
  ['JWT', true],
  ['jwt', true],
  ['logout+jwt', true],
  ['Logout+JWT', true],
  ['application/logout+jwt', true],
  ['application/jwt', true],
  ['at+jwt', false],
  ['dpop+jwt', false],
  ['text/jwt', false],
  ['logout', false],
  [' jwt', false],
  ['', false],
  [1, false],
  [['jwt'], false],
]

for (const [typ, isAccepted] of rows) {
  test(`a token with the type ${JSON.stringify(typ)} is ${isAccepted ? '' : 'not '}accepted as a logout token`, () => {
    assert.equal(isLogoutTokenType(typ), isAccepted)
  })
}

for (const [what, claims, time] of [
  ['was issued in the future', { iat: 1095 }, 'its iat is in 95 s'],
  ['is too old', { iat: 500 }, 'its iat is 500 s ago'],
  ['has expired', { iat: 900, exp: 905 }, 'its exp is 95 s ago'],
] as const) {
  test(`the error for a logout token that ${what} says by how much, and that it is a clock`, async () => {
    const key = createSigningKey()
    const verify = createVerifyLogoutToken({
      issuer: async () => 'https://id.example',
      clientId: 'kibana',
      algorithms: ['RS256'],
      getKey: () => key.publicKey,
      now: () => 1_000_000,
    })
    const event = { jti: 'x', sub: 'bob', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }
    const token = await signJwt(key, { iss: 'https://id.example', aud: 'kibana', ...event, ...claims })
    await assert.rejects(verify(token), {
      code: 'token_invalid',
      detail: `the token was rejected: ${time} by this machine's clock: synchronize the clocks of this machine and the provider`,
    })
  })
}
