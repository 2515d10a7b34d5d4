import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { createOriginalRequest } from '../../../src/auth/original-request.ts'

const own = { method: 'GET', url: '/auth?token=secret' }
const read = (headers: IncomingHttpHeaders, isTrusted = true, request: { method?: string; url?: string } = own) =>
  createOriginalRequest(() => isTrusted)({ ...request, headers } as IncomingMessage)

const traefik = {
  'x-forwarded-method': 'POST',
  'x-forwarded-uri': '/_bulk?token=secret',
  'x-forwarded-host': 'es.example.com',
}

test('what a trusted proxy says', () => {
  assert.deepEqual(read(traefik), { method: 'POST', path: '/_bulk', domain: 'es.example.com' })
})

test('what nginx says', () => {
  const headers = { 'x-original-method': 'DELETE', 'x-original-url': 'https://es.example.com/i?token=secret' }
  assert.deepEqual(read(headers), { method: 'DELETE', path: '/i', domain: undefined })
})

test('what anybody else says is ignored', () => {
  assert.deepEqual(read({ ...traefik, 'x-original-url': '/public' }, false), { method: 'GET', path: '/auth' })
})

test('nothing said: the request’s own', () => {
  assert.deepEqual(read({}), { method: 'GET', path: '/auth', domain: undefined })
  assert.deepEqual(read({}, false, {}), { method: 'GET', path: '/' })
})

describe('a method that is none is not believed', () => {
  for (const method of ['', 'post', 'PO ST', 'POST, GET', 'A'.repeat(21), 'X\u009b', '__proto__']) {
    test(JSON.stringify(method), () => assert.equal(read({ 'x-forwarded-method': method }).method, 'GET'))
  }
})

describe('a query or fragment is never kept', () => {
  const paths: [string, string][] = [
    ['/a?secret', '/a'],
    ['/a#secret', '/a'],
    ['/a?x#secret', '/a'],
    ['/a#x?secret', '/a'],
    ['?secret', '/'],
    ['#secret', '/'],
    ['https://host?secret', '/'],
    ['https://host#secret', '/'],
    ['https://user:secret@host/a?secret', '/a'],
    ['HTTPS://user:secret@host/a', '/a'],
    ['https://secret@host', '/'],
    ['/a, /b?secret', '/a, /b'], // Node's way to join two lines
    ['/a?secret, /b?secret', '/a'],
    ['//evil/a?secret', '//evil/a'],
    ['', '/auth'],
  ]
  for (const [uri, path] of paths) {
    test(JSON.stringify(uri), () => {
      assert.equal(read({ 'x-forwarded-uri': uri }).path, path)
      assert.equal(read({}, false, { url: uri || '/auth' }).path, path)
    })
  }
  for (const uri of ['wss://user:secret@host/a?secret', 'ftp://user:secret@host/a']) {
    test(JSON.stringify(uri), () => assert.doesNotMatch(read({ 'x-forwarded-uri': uri }).path, /secret/))
  }
})

test('a terminal that shows the log is told nothing', () => {
  const given = { 'x-forwarded-uri': '/a\u009b2J\x7f', 'x-forwarded-host': 'h\u009b31m' }
  assert.deepEqual(read(given), { method: 'GET', path: '/a%9B2J%7F', domain: 'h%9B31m' })
  assert.equal(read({}, false, { url: '/b\u0085?x' }).path, '/b%85')
})

test('what is logged is bounded', () => {
  const long = read({ 'x-forwarded-uri': `/${'a'.repeat(60_000)}`, 'x-forwarded-host': 'h'.repeat(60_000) })
  assert.deepEqual([long.path.length, long.domain?.length], [2048, 255])
})
