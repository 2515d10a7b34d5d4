import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sanitize } from '../../../src/observability/sanitize.ts'

const pathOf = (target: string) => sanitize({ method: 'GET', target }).path

test('a request as it was made, by the host where that is known', () => {
  assert.deepEqual(sanitize({ method: 'POST', target: '/_bulk', host: 'es.example.com' }), {
    method: 'POST',
    path: '/_bulk',
    domain: 'es.example.com',
  })
  assert.deepEqual(sanitize({ method: 'GET', target: '/' }), { method: 'GET', path: '/' })
})

describe('a query or fragment is never kept', () => {
  for (const [target, path] of [
    ['/a?secret', '/a'],
    ['/a#secret', '/a'],
    ['/a?x#secret', '/a'],
    ['/a#x?secret', '/a'],
    ['/?secret', '/'],
    ['/a?secret, /b?secret', '/a'],
  ]) {
    test(target!, () => assert.equal(pathOf(target!), path))
  }
})

test('a terminal that shows the log is told nothing', () => {
  assert.deepEqual(sanitize({ method: 'GET', target: '/a\u009b2J\x7f', host: 'h\u009b31m' }), {
    method: 'GET',
    path: '/a%9B2J%7F',
    domain: 'h%9B31m',
  })
  assert.equal(pathOf('/b\u0085?x'), '/b%85')
})

test('what is logged is bounded', () => {
  const long = sanitize({ method: 'GET', target: `/${'a'.repeat(60_000)}`, host: 'h'.repeat(60_000) })
  assert.deepEqual([long.path.length, long.domain?.length], [2048, 255])
})
