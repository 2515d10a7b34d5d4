import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFindToken } from '../../../../src/providers/oidc/find-token.ts'

test('a token header that is Authorization itself accepts no token without the Bearer scheme', () => {
  const findToken = createFindToken('Authorization')
  assert.equal(findToken({ rawHeaders: ['Authorization', 'Bearer abc'] }), 'abc')
  assert.equal(findToken({ rawHeaders: ['Authorization', 'abc'] }), undefined)
  assert.equal(findToken({ rawHeaders: ['authorization', 'Basic YTpi'] }), undefined)
})
