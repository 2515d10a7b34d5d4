import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jsonResponse } from '../../../src/http/response.ts'
import { createKibanaLogout } from '../../../src/proxy/kibana-logout.ts'
import { createPickRoute } from '../../../src/proxy/routing/routes.ts'
import type { ProxyRoute } from '../../../src/proxy/routing/routing.ts'
import { contextOf } from '../../support/request-context.ts'

const route = (path: string | null, auth: 'required' | 'none' = 'required') =>
  ({
    host: null,
    path,
    auth,
    upstreams: [],
    strip_path: false,
    credential: 'user',
    identity_headers: false,
    headers: [],
  }) satisfies ProxyRoute
const pickRoute = createPickRoute<ProxyRoute>([route(null), route('/kibana/'), route('/open', 'none')])
const signedOut = jsonResponse(302, {})
const handleLogout = createKibanaLogout({
  routing: { pickRoute },
  isNavigation: ({ headers }) => headers['sec-fetch-mode'] === 'navigate',
  signOut: async () => signedOut,
})

function send(url: string, { method = 'GET', mode = 'navigate', rawHeaders = ['Host', 'a.test'] } = {}) {
  const headers = { host: 'a.test', 'sec-fetch-mode': mode }
  return handleLogout(contextOf({ url, method, headers, rawHeaders, httpVersion: '1.1' }))
}

describe('a navigation to a logout path of Kibana', () => {
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
    test(`signs out for a navigation to ${url}`, async () => assert.equal(await send(url), signedOut))
  }
})

describe('any other request', () => {
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
    test(`does not sign out for ${url}`, () => assert.equal(send(url), undefined))
  }

  test('does not sign out for a GET that is not a navigation, because /logout is an index in Elasticsearch', () =>
    assert.equal(send('/logout', { mode: 'cors' }), undefined))

  for (const method of ['POST', 'PUT', 'DELETE', 'HEAD'])
    test(`does not sign out for ${method} /logout`, () => assert.equal(send('/logout', { method }), undefined))
})

test('rejects a logout request with two Host headers, like any ambiguous request', () => {
  assert.throws(() => send('/logout', { rawHeaders: ['Host', 'a.test', 'Host', 'b.test'] }), {
    code: 'payload_invalid',
  })
})
