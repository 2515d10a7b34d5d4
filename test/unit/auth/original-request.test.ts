import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { createOriginalRequestOf, requestAsReceived } from '../../../src/auth/original-request.ts'

const own = { method: 'GET', url: '/auth?a=b' }
const read = (headers: IncomingHttpHeaders, isTrusted = true, request: { method?: string; url?: string } = own) =>
  createOriginalRequestOf({ profile: 'generic' })({ ...request, headers } as IncomingMessage, isTrusted)
const readNginx = (headers: IncomingHttpHeaders) =>
  createOriginalRequestOf({ profile: 'nginx' })({ ...own, headers } as IncomingMessage, true)

const traefik = {
  'x-forwarded-method': 'POST',
  'x-forwarded-uri': '/_bulk?a=b',
  'x-forwarded-host': 'es.example.com',
}

test('reads X-Forwarded-* from a trusted proxy with profile generic', () => {
  assert.deepEqual(read(traefik), { method: 'POST', target: '/_bulk?a=b', host: 'es.example.com' })
})

const nginx = { 'x-original-method': 'DELETE', 'x-original-url': 'https://es.example.com/i?a=b' }

test('reads X-Original-* from a trusted proxy with profile nginx', () => {
  assert.deepEqual(readNginx(nginx), { method: 'DELETE', target: '/i?a=b', host: 'es.example.com' })
})

test("ignores a client's own X-Forwarded-* with profile nginx", () => {
  assert.deepEqual(readNginx({ ...nginx, ...traefik, 'x-forwarded-host': 'forged' }), readNginx(nginx))
  assert.deepEqual(readNginx(traefik), { method: 'GET', target: '/auth?a=b', host: undefined })
})

test("ignores a client's own X-Original-* with profile generic", () => {
  assert.deepEqual(read({ ...traefik, 'x-original-method': 'PUT', 'x-original-url': 'http://forged/' }), read(traefik))
  assert.deepEqual(read(nginx), { method: 'GET', target: '/auth?a=b', host: undefined })
})

test('reads the host of X-Original-URL without user information', () => {
  const host = (url: string) => readNginx({ 'x-original-url': url }).host
  assert.equal(host('https://user:secret@es.example.com:8443/i'), 'es.example.com:8443')
  assert.equal(host('https://user:se@cret@es.example.com?a'), 'es.example.com')
  assert.equal(host('/i'), undefined)
})

test('ignores X-Forwarded-* and X-Original-* from an untrusted peer', () => {
  assert.deepEqual(read({ ...traefik, 'x-original-url': '/public' }, false), { method: 'GET', target: '/auth?a=b' })
})

test('reads only the request line below forward_auth.path_prefix, whatever the headers say', () => {
  const under = (headers: IncomingHttpHeaders, url: string, isTrusted = true) =>
    createOriginalRequestOf({ profile: 'generic', pathPrefix: '/authorize' })(
      { method: 'PUT', url, headers: { host: 'es.example.com', ...headers } } as IncomingMessage,
      isTrusted,
    )
  const expected = { method: 'PUT', target: '/app/home?a=b', host: 'es.example.com' }
  for (const forged of [{}, traefik, nginx]) assert.deepEqual(under(forged, '/authorize/app/home?a=b'), expected)
  assert.equal(under({}, '/authorize/').target, '/')
  assert.equal(under({}, '/authorizex/app').target, '/authorizex/app')
  assert.equal(under({}, '/authorize/app', false).target, '/authorize/app')
  assert.equal(under(traefik, '/').target, '/_bulk?a=b')
})

test('uses the method and target of the request itself when no header describes another', () => {
  assert.deepEqual(read({}), { method: 'GET', target: '/auth?a=b', host: undefined })
  assert.deepEqual(read({}, false, {}), { method: 'GET', target: '/' })
  assert.deepEqual(requestAsReceived({ method: 'PUT', url: '/a', headers: traefik } as unknown as IncomingMessage), {
    method: 'PUT',
    target: '/a',
  })
})

describe('X-Forwarded-Method with a malformed method', () => {
  for (const method of ['', 'post', 'PO ST', 'POST, GET', 'A'.repeat(21), 'X\u009b', '__proto__']) {
    test(`ignores the X-Forwarded-Method ${JSON.stringify(method)}`, () =>
      assert.equal(read({ 'x-forwarded-method': method }).method, 'GET'))
  }
})

describe('the target of X-Forwarded-Uri or of the request line', () => {
  const targets: [string, string][] = [
    ['/a?b#c', '/a?b#c'],
    ['?b', '/?b'],
    ['https://host?b', '/?b'],
    ['https://user:secret@host/a?b', '/a?b'],
    ['HTTPS://user:secret@host/a', '/a'],
    ['wss://user:secret@host/a', '/a'],
    ['https://secret@host', '/'],
    ['/a, /b?c', '/a, /b?c'], // as Node joins two header lines
    ['//evil/a', '//evil/a'],
    ['', '/auth?a=b'],
  ]
  for (const [uri, target] of targets) {
    test(`reads the original URI ${JSON.stringify(uri)} as the target ${target}`, () => {
      assert.equal(read({ 'x-forwarded-uri': uri }).target, target)
      assert.equal(read({}, false, { url: uri || own.url }).target, target)
    })
  }
  test('ignores an X-Forwarded-Uri that is neither a path nor a URL', () => {
    for (const uri of ['a', '*', 'es:443', '\\a']) assert.equal(read({ 'x-forwarded-uri': uri }).target, own.url)
  })
})
