import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFindToken } from '../../../../src/providers/oidc/find-token.ts'

test('a token header that is Authorization itself accepts no token without the Bearer scheme', () => {
  const findToken = createFindToken('Authorization')
  assert.deepEqual(findToken({ rawHeaders: ['Authorization', 'Bearer abc'] }), { token: 'abc', isAmbient: true })
  assert.equal(findToken({ rawHeaders: ['Authorization', 'abc'] }), undefined)
  assert.equal(findToken({ rawHeaders: ['authorization', 'Basic YTpi'] }), undefined)
})

test("leaves the tokens of Elasticsearch's service accounts to the provider elasticsearch, if that is configured", () => {
  const find = createFindToken(undefined, true)
  for (const value of ['Bearer AAEAAWVsYXN0aWMv', 'bEARER  AAEAAW'])
    assert.equal(find({ rawHeaders: ['Authorization', value] }), undefined)
  assert.equal(find({ rawHeaders: ['Authorization', 'Bearer aaeaawx'] })?.token, 'aaeaawx')
  assert.equal(createFindToken(undefined)({ rawHeaders: ['Authorization', 'Bearer AAEAAWx'] })?.token, 'AAEAAWx')
})
