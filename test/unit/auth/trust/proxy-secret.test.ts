import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHasProxySecret } from '../../../../src/auth/trust/proxy-secret.ts'

const secret = 'a-secret-of-the-proxy'
const hasSecret = createHasProxySecret('X-Proxy-Secret', secret)
const isAccepted = (...rawHeaders: string[]) => hasSecret({ rawHeaders: ['Host', 'es', ...rawHeaders] })

test('accepts a request that contains the proxy secret once', () =>
  assert.equal(isAccepted('X-Proxy-Secret', secret), true))
test('accepts the proxy secret under a header name in any case', () => {
  for (const name of ['x-proxy-secret', 'X-PROXY-SECRET', 'x-Proxy-sEcret'])
    assert.equal(isAccepted(name, secret), true)
})
test('rejects a request without the proxy secret', () => assert.equal(isAccepted(), false))
test('rejects the proxy secret in another header, or as a header name', () => {
  assert.equal(isAccepted('X-Other', secret), false)
  assert.equal(isAccepted(secret, 'X-Proxy-Secret'), false)
  assert.equal(isAccepted('X-Other', 'X-Proxy-Secret', secret, 'x'), false)
})
test('rejects a wrong proxy secret of any length', () => {
  for (const wrong of ['', 'x', secret.slice(1), `${secret}x`, secret.toUpperCase(), `${secret} `, 'x'.repeat(60_000)])
    assert.equal(isAccepted('X-Proxy-Secret', wrong), false, wrong.slice(0, 30))
})
test('rejects a request with two proxy secret headers, even if both are right', () => {
  assert.equal(isAccepted('X-Proxy-Secret', secret, 'X-Proxy-Secret', secret), false)
  assert.equal(isAccepted('X-Proxy-Secret', secret, 'x-proxy-secret', 'wrong'), false)
  assert.equal(isAccepted('X-Proxy-Secret', 'wrong', 'x-proxy-secret', secret), false)
})
test('rejects two proxy secrets joined in one header line', () =>
  assert.equal(isAccepted('X-Proxy-Secret', `${secret}, ${secret}`), false))
