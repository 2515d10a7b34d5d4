import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLogoutTokenType } from '../../../../src/providers/oidc/verify-logout-token.ts'

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
