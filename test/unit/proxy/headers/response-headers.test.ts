import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createPrivateCookies } from '../../../../src/proxy/headers/cookies.ts'
import { createBuildResponseHeaders } from '../../../../src/proxy/headers/response-headers.ts'

const buildResponseHeaders = createBuildResponseHeaders(createPrivateCookies(['access_token', 'id_token']))

const build = (...headers: string[]) => buildWith(200, ...headers)
const buildWith = (status: number, ...headers: string[]) =>
  buildResponseHeaders(
    headers.map((part) => Buffer.from(part, 'latin1')),
    status,
  )

describe('an answer’s headers', () => {
  test('doubled ones, spellings and bytes are kept', () => {
    const headers = ['Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'X-Elastic-Product', 'Elasticsearch', 'X-Odd', '\xe9']
    assert.deepEqual(build(...headers), headers)
  })

  for (const name of ['Connection', 'Keep-Alive', 'Proxy-Authenticate', 'Trailer', 'Transfer-Encoding', 'Upgrade']) {
    test(`${name} is for one connection only`, () => assert.deepEqual(build(name, 'x', 'X-A', '1'), ['X-A', '1']))
  }

  test('what Connection names goes, save the length', () => {
    const headers = build('X-A', '1', 'Connection', 'close, x-a, Content-Length', 'Content-Length', '5', 'X-B', '2')
    assert.deepEqual(headers, ['Content-Length', '5', 'X-B', '2'])
  })

  test('a length goes where there can be no body; of a 304 it is the one that was asked about', () => {
    for (const status of [103, 204])
      assert.deepEqual(buildWith(status, 'Content-Length', '5', 'X-A', '1'), ['X-A', '1'])
    assert.deepEqual(buildWith(304, 'Content-Length', '5'), ['Content-Length', '5'])
  })
})
