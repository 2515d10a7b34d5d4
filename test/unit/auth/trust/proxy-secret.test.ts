import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHasProxySecret } from '../../../../src/auth/trust/proxy-secret.ts'

const secret = 'a-secret-of-the-proxy'
const hasSecret = createHasProxySecret('X-Proxy-Secret', secret)
const carries = (...rawHeaders: string[]) => hasSecret({ rawHeaders: ['Host', 'es', ...rawHeaders] })

test('the secret, once', () => assert.equal(carries('X-Proxy-Secret', secret), true))
test('the case of the header’s name is of no account', () => {
  for (const name of ['x-proxy-secret', 'X-PROXY-SECRET', 'x-Proxy-sEcret']) assert.equal(carries(name, secret), true)
})
test('no header', () => assert.equal(carries(), false))
test('the secret in another header, or as a name', () => {
  assert.equal(carries('X-Other', secret), false)
  assert.equal(carries(secret, 'X-Proxy-Secret'), false)
  assert.equal(carries('X-Other', 'X-Proxy-Secret', secret, 'x'), false)
})
test('a wrong one, of any length', () => {
  for (const wrong of ['', 'x', secret.slice(1), `${secret}x`, secret.toUpperCase(), `${secret} `, 'x'.repeat(60_000)])
    assert.equal(carries('X-Proxy-Secret', wrong), false, wrong.slice(0, 30))
})
test('doubled: whoever put the second one there, neither counts', () => {
  assert.equal(carries('X-Proxy-Secret', secret, 'X-Proxy-Secret', secret), false)
  assert.equal(carries('X-Proxy-Secret', secret, 'x-proxy-secret', 'wrong'), false)
  assert.equal(carries('X-Proxy-Secret', 'wrong', 'x-proxy-secret', secret), false)
})
test('two joined into one line', () => assert.equal(carries('X-Proxy-Secret', `${secret}, ${secret}`), false))
