import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { createOriginalRequestOf, itself } from '../../../src/auth/original-request.ts'

const own = { method: 'GET', url: '/auth?a=b' }
const read = (headers: IncomingHttpHeaders, isTrusted = true, request: { method?: string; url?: string } = own) =>
  createOriginalRequestOf(() => isTrusted)({ ...request, headers } as IncomingMessage)

const traefik = {
  'x-forwarded-method': 'POST',
  'x-forwarded-uri': '/_bulk?a=b',
  'x-forwarded-host': 'es.example.com',
}

test('what a trusted proxy says', () => {
  assert.deepEqual(read(traefik), { method: 'POST', target: '/_bulk?a=b', host: 'es.example.com' })
})

test('what nginx says', () => {
  const headers = { 'x-original-method': 'DELETE', 'x-original-url': 'https://es.example.com/i?a=b' }
  assert.deepEqual(read(headers), { method: 'DELETE', target: '/i?a=b', host: undefined })
})

test('where one of two ways is empty, the other holds', () => {
  const headers = {
    'x-forwarded-method': '',
    'x-original-method': 'PUT',
    'x-forwarded-uri': '',
    'x-original-url': '/i',
  }
  assert.deepEqual(read(headers), { method: 'PUT', target: '/i', host: undefined })
})

test('what anybody else says is ignored', () => {
  assert.deepEqual(read({ ...traefik, 'x-original-url': '/public' }, false), { method: 'GET', target: '/auth?a=b' })
})

test('what Envoy appends to the prefix is the original’s path, unless a header says another', () => {
  const under = (headers: IncomingHttpHeaders, url: string, isTrusted = true) =>
    createOriginalRequestOf(() => isTrusted, '/authorize')({ method: 'PUT', url, headers } as IncomingMessage).target
  assert.equal(under({}, '/authorize/app/home?a=b'), '/app/home?a=b')
  assert.equal(under({}, '/authorize/'), '/')
  assert.equal(under({ 'x-forwarded-uri': '/said' }, '/authorize/app'), '/said')
  assert.equal(under({}, '/authorizex/app'), '/authorizex/app')
  assert.equal(under({}, '/authorize/app', false), '/authorize/app')
})

test('nothing said: the request’s own', () => {
  assert.deepEqual(read({}), { method: 'GET', target: '/auth?a=b', host: undefined })
  assert.deepEqual(read({}, false, {}), { method: 'GET', target: '/' })
  assert.deepEqual(itself({ method: 'PUT', url: '/a', headers: traefik } as unknown as IncomingMessage), {
    method: 'PUT',
    target: '/a',
  })
})

describe('a method that is none is not believed', () => {
  for (const method of ['', 'post', 'PO ST', 'POST, GET', 'A'.repeat(21), 'X\u009b', '__proto__']) {
    test(JSON.stringify(method), () => assert.equal(read({ 'x-forwarded-method': method }).method, 'GET'))
  }
})

describe('a target is a path, whatever stood before it', () => {
  const targets: [string, string][] = [
    ['/a?b#c', '/a?b#c'],
    ['?b', '/?b'],
    ['https://host?b', '/?b'],
    ['https://user:secret@host/a?b', '/a?b'],
    ['HTTPS://user:secret@host/a', '/a'],
    ['wss://user:secret@host/a', '/a'],
    ['https://secret@host', '/'],
    ['/a, /b?c', '/a, /b?c'], // Node's way to join two lines
    ['//evil/a', '//evil/a'],
    ['', '/auth?a=b'],
  ]
  for (const [uri, target] of targets) {
    test(JSON.stringify(uri), () => {
      assert.equal(read({ 'x-forwarded-uri': uri }).target, target)
      assert.equal(read({}, false, { url: uri || own.url }).target, target)
    })
  }
  test('what is none is not believed', () => {
    for (const uri of ['a', '*', 'es:443', '\\a']) assert.equal(read({ 'x-forwarded-uri': uri }).target, own.url)
  })
})
