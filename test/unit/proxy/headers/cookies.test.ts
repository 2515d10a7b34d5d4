import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createPrivateCookies } from '../../../../src/proxy/headers/cookies.ts'

const withTokens = createPrivateCookies(['access_token', 'id_token'])
const withoutTokens = createPrivateCookies([])

describe('a Set-Cookie header of an upstream counts as setting a private cookie', () => {
  const values = [
    '__Host-elastauth-session=s; Path=/; Secure; HttpOnly',
    '__Host-elastauth-login-0=x',
    '__host-ELASTAUTH-Session=s',
    '__Secure-elastauth-session=s',
    '__Host-Http-elastauth-session=s',
    'elastauth-session=s',
    '  \t__Host-elastauth-session =s',
    '"__Host-elastauth-session"=s',
    '=__Host-elastauth-session=s',
    ' = __Host-elastauth-session=s',
    '==__Host-elastauth-session=s',
    ';__Host-elastauth-session=s',
    '__Host-elastauth-session',
    'a=1, __Host-elastauth-session=s',
    'a=1; Expires=Thu, 01 Jan 2037 00:00:00 GMT,__Host-elastauth-session=s',
    'access_token=t',
    'ID_TOKEN=t',
    '\xa0access_token\xa0=t',
    '"access_token"=t',
    '=access_token=t',
  ]
  for (const value of values) {
    test(`detects Set-Cookie: ${JSON.stringify(value)}`, () => assert.ok(withTokens.isSetBy(value)))
  }
})

describe('a Set-Cookie header of an upstream that sets no private cookie', () => {
  const values = [
    '',
    'sid=Fe26.2**1; Secure; HttpOnly; Path=/; Max-Age=3600',
    'sid=__Host-elastauth-session=s',
    'my-elastauth-session=s',
    'theme=dark; Path=/elastauth-session=s',
    'access_tokens=t',
    'my_access_token=t',
    '__Host-access_token=t',
    'access_token',
    'a=access_token=t',
  ]
  for (const value of values) {
    test(`allows Set-Cookie: ${JSON.stringify(value)}`, () => assert.ok(!withTokens.isSetBy(value)))
  }

  test('allows Set-Cookie: access_token=t if no token is read from cookies', () => {
    assert.ok(!withoutTokens.isSetBy('access_token=t'))
  })
})
