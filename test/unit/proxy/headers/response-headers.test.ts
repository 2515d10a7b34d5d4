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

describe('the headers of a forwarded response', () => {
  test('keeps the duplicates, case and bytes of response headers', () => {
    const headers = ['Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'X-Elastic-Product', 'Elasticsearch', 'X-Odd', '\xe9']
    assert.deepEqual(build(...headers), headers)
  })

  for (const name of ['Connection', 'Keep-Alive', 'Proxy-Authenticate', 'Trailer', 'Transfer-Encoding', 'Upgrade']) {
    test(`strips the hop-by-hop header ${name} from a response`, () =>
      assert.deepEqual(build(name, name === 'Transfer-Encoding' ? 'chunked' : 'x', 'X-A', '1'), ['X-A', '1']))
  }

  test('rejects a response with a transfer coding that elastauth does not decode', () => {
    for (const coding of ['gzip', 'gzip, chunked', 'chunked, gzip', 'x', ''])
      assert.throws(() => build('transfer-encoding', coding), { code: 'upstream_protocol' }, coding)
    assert.throws(() => build('Transfer-Encoding', 'gzip', 'Transfer-Encoding', 'chunked'), {
      code: 'upstream_protocol',
    })
    for (const coding of ['Chunked', 'identity']) assert.deepEqual(build('Transfer-Encoding', coding), [])
    assert.deepEqual(buildWith(101, 'Transfer-Encoding', 'gzip'), [])
  })

  test('strips response headers that Connection names, except Content-Length', () => {
    const headers = build('X-A', '1', 'Connection', 'close, x-a, Content-Length', 'Content-Length', '5', 'X-B', '2')
    assert.deepEqual(headers, ['Content-Length', '5', 'X-B', '2'])
  })

  test('strips Content-Length from 103 and 204 responses, and keeps it in a 304 response', () => {
    for (const status of [103, 204])
      assert.deepEqual(buildWith(status, 'Content-Length', '5', 'X-A', '1'), ['X-A', '1'])
    assert.deepEqual(buildWith(304, 'Content-Length', '5'), ['Content-Length', '5'])
  })
})
