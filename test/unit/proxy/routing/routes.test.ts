import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createPickRoute, type RouteMatch, stripPath } from '../../../../src/proxy/routing/routes.ts'

const route = (host: string | null, path: string | null, auth: 'required' | 'none' = 'required'): RouteMatch => ({
  host,
  path,
  auth,
})

describe('the route of a request', () => {
  const routes = {
    all: route(null, null),
    kibana: route(null, '/kibana'),
    api: route(null, '/kibana/api/'),
    host: route('Logs.Example.com', null),
    hostPath: route('logs.example.com', '/x'),
    open: route(null, '/public', 'none'),
    admin: route(null, '/public/admin'),
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
    ['es', '/public/admin/users', 'admin'],
    ['logs.example.com.', '/', 'host'],
    ['logs.example.com.:5000', '/x', 'hostPath'],
  ]
  for (const [host, path, expected] of rows) {
    test(`finds the route ${expected} for ${host}${path}`, () => assert.equal(pick(host, path), routes[expected]))
  }

  // With a regular expression that backtracks, this would take more than an hour.
  test('finds the route of a path with a million dots below an open route in linear time', () => {
    assert.equal(pick('es', `/public/${'.'.repeat(1_000_000)}a`), routes.open)
  })

  const ambiguousPaths = [
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
  for (const rest of ambiguousPaths) {
    test(`requires a login for /public${rest}, which some servers interpret as another path (path traversal)`, () => {
      assert.equal(pick('es', `/public${rest}`)?.auth, 'required')
    })
  }
})

test('finds no route if none matches', () => {
  assert.equal(createPickRoute([route('a', null), route(null, '/x')])('b', '/y'), undefined)
})

test('matches a configured host with the trailing dot of an absolute name', () => {
  const absolute = route('kibana.test.', null)
  assert.equal(createPickRoute([absolute, route(null, null, 'none')])('kibana.test', '/'), absolute)
})

test('prefers the longer path whatever the order in the configuration', () => {
  const [long, short] = [route(null, '/a/b'), route(null, '/a')]
  for (const routes of [
    [long, short],
    [short, long],
  ])
    assert.equal(createPickRoute(routes)('h', '/a/b/c'), long)
})

describe('stripPath removes the path of the route', () => {
  const rows: [path: string, prefix: string, expected: string][] = [
    ['/kibana/app?x=%2F', '/kibana', '/app?x=%2F'],
    ['/kibana', '/kibana', '/'],
    ['/kibana?x', '/kibana/', '/?x'],
    ['/kibana//x', '/kibana', '//x'],
  ]
  for (const [path, prefix, expected] of rows) {
    test(`stripPath strips ${prefix} from ${path}`, () => assert.equal(stripPath(path, prefix), expected))
  }
})
