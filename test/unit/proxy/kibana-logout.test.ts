import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { jsonResponse } from '../../../src/http/response.ts'
import { createKibanaLogout } from '../../../src/proxy/kibana-logout.ts'
import { createPickRoute } from '../../../src/proxy/routing/routes.ts'
import type { ProxyRoute } from '../../../src/proxy/routing/routing.ts'

const route = (path: string | null, auth: 'required' | 'none' = 'required') =>
  ({ host: null, path, auth, upstreams: [], strip_path: false, headers: [] }) satisfies ProxyRoute
const pickRoute = createPickRoute<ProxyRoute>([route(null), route('/kibana/'), route('/open', 'none')])
const signedOut = jsonResponse(302, {})
const answerLogout = createKibanaLogout({
  routing: { pickRoute },
  isNavigation: ({ headers }) => headers['sec-fetch-mode'] === 'navigate',
  signOut: async () => signedOut,
})

function ask(url: string, { method = 'GET', mode = 'navigate', rawHeaders = ['Host', 'a.test'] } = {}) {
  const headers = { host: 'a.test', 'sec-fetch-mode': mode }
  return answerLogout({ url, method, headers, rawHeaders, httpVersion: '1.1' } as unknown as IncomingMessage)
}

describe('is Kibana’s logout', () => {
  for (const url of [
    '/logout',
    '/logout/',
    '/logout?msg=SESSION_EXPIRED&next=%2Fapp%2Fdiscover',
    '/s/sales/logout',
    '/kibana/logout',
    '/kibana/s/sales/logout?msg=LOGGED_OUT',
    '/api/security/logout',
    '/api/security/logout?msg=x',
    '/api/security/v1/logout',
    '/kibana/api/security/logout',
    '/kibana/s/sales/api/security/logout',
    '/a/base/path/that/no/route/names/api/security/logout',
    'http://a.test/logout',
  ]) {
    test(url, async () => assert.equal(await ask(url), signedOut))
  }
})

describe('is not', () => {
  for (const url of [
    '/',
    '/app/logout',
    '/users/_doc/logout',
    '/logout/_search',
    '/logouts',
    '/elastauth/logout',
    '/app/home?next=/logout',
    '/kibana/app/logout',
    '/s/a/b/logout',
    '/open/logout',
    '/open/api/security/logout',
    '/api/security/logout/all',
  ]) {
    test(url, () => assert.equal(ask(url), undefined))
  }

  test('a program’s GET: to Elasticsearch it asks for an index of that name', () =>
    assert.equal(ask('/logout', { mode: 'cors' }), undefined))

  for (const method of ['POST', 'PUT', 'DELETE', 'HEAD'])
    test(`${method} /logout`, () => assert.equal(ask('/logout', { method }), undefined))
})

test('a request that could be read in two ways is refused, as everywhere', () => {
  assert.throws(() => ask('/logout', { rawHeaders: ['Host', 'a.test', 'Host', 'b.test'] }), { code: 'payload_invalid' })
})
