import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createPickRoute, type RouteMatch, stripPath } from '../../../../src/proxy/routing/routes.ts'

const route = (host: string | null, path: string | null, auth: 'required' | 'none' = 'required'): RouteMatch => ({
  host,
  path,
  auth,
})

describe('a request’s route', () => {
  const routes = {
    all: route(null, null),
    kibana: route(null, '/kibana'),
    api: route(null, '/kibana/api/'),
    host: route('Logs.Example.com', null),
    hostPath: route('logs.example.com', '/x'),
    open: route(null, '/public', 'none'),
    hidden: route(null, '/public/admin'),
  }
  const pick = createPickRoute(Object.values(routes))
  const rows: [host: string, path: string, expected: keyof typeof routes][] = [
    ['es', '/', 'all'],
    ['es', '/_search', 'all'],
    ['es', '/kibana', 'kibana'],
    ['es', '/kibana/', 'kibana'],
    ['es', '/kibana?x', 'kibana'],
    ['es', '/kibanana', 'all'],
    ['es', '/Kibana', 'all'],
    ['es', '/kibana/api', 'api'],
    ['es', '/kibana/api/x', 'api'],
    ['es', '/kibana/apix', 'kibana'],
    ['es', '/kibana%2Fapi', 'all'],
    ['logs.example.com', '/kibana', 'host'],
    ['LOGS.example.com:5000', '/', 'host'],
    ['logs.example.com', '/x/y', 'hostPath'],
    ['es', '/public/app.js', 'open'],
    ['es', '/public?next=/../x', 'open'],
    ['es', '/public/%61bc/a%20b/%C3%A9/%40x', 'open'],
    ['es', '/public/admins', 'open'],
    ['es', '/public/admin/users', 'hidden'],
    ['logs.example.com.', '/', 'host'],
    ['logs.example.com.:5000', '/x', 'hostPath'],
  ]
  for (const [host, path, expected] of rows) {
    test(`${host}${path} is ${expected}`, () => assert.equal(pick(host, path), routes[expected]))
  }

  // With a regular expression that backtracks, this takes more than an hour.
  test('a path of a million dots below an open route is decided in linear time', () => {
    assert.equal(pick('es', `/public/${'.'.repeat(1_000_000)}a`), routes.open)
  })

  const hidden = [
    '/..',
    '/../_security',
    '/./x',
    '/%2e%2e/x',
    '/.%2E/x',
    '//x',
    '/a%2f..%2fx',
    '\\..\\x',
    '/..;/x',
    '/%252e',
    '/%61dmin',
    '/adm%69n/users',
    '/%61%64%6d%69%6e?x',
    '/ADMIN',
    '/%41dmin.',
    '/admin./users',
    '/admin%20',
    '/admin%20./users',
    '/x/..%3b/admin',
    '/%c0%ae%c0%ae/admin',
    '/%u002e',
    '/%',
    '/.%09./admin',
    '/a%00b',
    '/a%23b',
    '/a%3fb',
  ]
  for (const rest of hidden) {
    test(`/public${rest} needs a login, whatever the upstream makes of it`, () => {
      assert.equal(pick('es', `/public${rest}`)?.auth, 'required')
    })
  }
})

test('no route is found where none matches', () => {
  assert.equal(createPickRoute([route('a', null), route(null, '/x')])('b', '/y'), undefined)
})

test('a host in the configuration may end with a dot, as an absolute name does', () => {
  const absolute = route('kibana.test.', null)
  assert.equal(createPickRoute([absolute, route(null, null, 'none')])('kibana.test', '/'), absolute)
})

test('the order in the configuration is of no account', () => {
  const [long, short] = [route(null, '/a/b'), route(null, '/a')]
  for (const routes of [
    [long, short],
    [short, long],
  ])
    assert.equal(createPickRoute(routes)('h', '/a/b/c'), long)
})

describe('a path without its route’s', () => {
  const rows: [path: string, prefix: string, expected: string][] = [
    ['/kibana/app?x=%2F', '/kibana', '/app?x=%2F'],
    ['/kibana', '/kibana', '/'],
    ['/kibana?x', '/kibana/', '/?x'],
    ['/kibana//x', '/kibana', '//x'],
  ]
  for (const [path, prefix, expected] of rows) {
    test(`${path} − ${prefix}`, () => assert.equal(stripPath(path, prefix), expected))
  }
})
