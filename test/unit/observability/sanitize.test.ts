import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sanitize } from '../../../src/observability/sanitize.ts'

const pathOf = (target: string) => sanitize({ method: 'GET', target }).path

test('sanitize keeps method and path, and the host if known', () => {
  assert.deepEqual(sanitize({ method: 'POST', target: '/_bulk', host: 'es.example.com' }), {
    method: 'POST',
    path: '/_bulk',
    domain: 'es.example.com',
  })
  assert.deepEqual(sanitize({ method: 'GET', target: '/' }), { method: 'GET', path: '/' })
})

describe('sanitize removes the query and the fragment', () => {
  for (const [target, path] of [
    ['/a?secret', '/a'],
    ['/a#secret', '/a'],
    ['/a?x#secret', '/a'],
    ['/a#x?secret', '/a'],
    ['/?secret', '/'],
    ['/a?secret, /b?secret', '/a'],
  ]) {
    test(`sanitize keeps only the path of ${target}`, () => assert.equal(pathOf(target!), path))
  }
})

test('sanitize percent-encodes control characters, which a terminal that shows the log would interpret', () => {
  assert.deepEqual(sanitize({ method: 'GET', target: '/a\u009b2J\x7f', host: 'h\u009b31m' }), {
    method: 'GET',
    path: '/a%9B2J%7F',
    domain: 'h%9B31m',
  })
  assert.equal(pathOf('/b\u0085?x'), '/b%85')
})

test('sanitize limits the logged path to 2,048 characters and the host to 255', () => {
  const long = sanitize({ method: 'GET', target: `/${'a'.repeat(60_000)}`, host: 'h'.repeat(60_000) })
  assert.deepEqual([long.path.length, long.domain?.length], [2048, 255])
})
