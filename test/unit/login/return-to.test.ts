import assert from 'node:assert/strict'
import { test } from 'node:test'
import { safeReturnTo } from '../../../src/login/return-to.ts'

const origin = 'https://kibana.example.com'

/** Prefixes that browsers or frameworks have parsed as another origin. */
const prefixes = [
  '//',
  '///',
  '////',
  '/\\',
  '\\\\',
  '\\/',
  '/\\/',
  '\\',
  '/%2f',
  '/%5c',
  '/%09/',
  '/\t/',
  '/\n/',
  '/\r/',
  '\t//',
  '\n//',
  ' //',
  '/ /',
  '/.//',
  '/..//',
  '/./\\',
  '/../\\',
  '/x/..//',
  '/x/../..//',
  '/%2e//',
  '/%2e%2e//',
  '/.%2e//',
  '/;//',
  '/\u0000/',
  '/\u2028/',
  '/\u00a0/',
  '/\u3000/',
  '/\uff0f',
  '/\u2215',
  '/\u29f8',
  '\u2044/',
  'http:',
  'http:/',
  'http://',
  'https:',
  'https:/',
  'https://',
  'HTTPS://',
  'hTTps:\\\\',
  'https:///',
  'http:\t//',
  'ht\ntp://',
  'javascript:',
  'JavaScript://%0a',
  'java\tscript:',
  'data:text/html,',
  'vbscript:',
  'file://',
  'ftp://',
  'blob:https://',
  'ws://',
  'x:',
  '@',
  '/@',
  '//@',
  '/\\@',
  '//user@',
  '.',
  '..',
  './/',
  '../',
  '?//',
  '#//',
  '/?https://',
  '//\u0009',
  '/\u000b/',
  '/\u000c/',
  '/\ufeff/',
  '\ufeff//',
  '/%00//',
  '//%00',
]
const hosts = [
  'evil.example',
  'evil.example/path',
  'evil.example:443',
  '[::1]',
  '3627734734',
  'kibana.example.com.evil.example',
  'kibana.example.com@evil.example',
  '%65vil.example',
  'evil%E3%80%82example',
]

const generated = prefixes.flatMap((prefix) => hosts.map((host) => prefix + host))

test(`returns a path on elastauth's own origin for ${generated.length} generated open redirects`, () => {
  assert.ok(generated.length >= 500)
  for (const target of generated) {
    const path = safeReturnTo(target)
    const url = new URL(path, `${origin}/elastauth/callback`)
    assert.equal(url.origin, origin, JSON.stringify(target))
    // A browser serializes the parsed URL, and parses it again.
    assert.equal(new URL(url.pathname + url.search, origin).origin, origin, JSON.stringify(target))
    assert.match(path, /^\/(?![/\\])[\x21-\x7e]*$/, JSON.stringify(target))
  }
})

test('returns the path and query of a return_to page unchanged', () => {
  for (const path of [
    '/',
    '/app/discover',
    '/app/discover?columns=a,b&q=%22x%20y%22',
    '/s/space/app/home?next=https://other.example/',
    '/a//b',
    '/%C3%A9?x=//y',
    '/?',
    `/${'x'.repeat(1000)}`,
  ]) {
    assert.equal(safeReturnTo(path), path === '/?' ? '/' : path)
  }
})

test('returns / for a return_to that is missing, too long, not encoded, or an endpoint of elastauth', () => {
  for (const target of [
    undefined,
    null,
    '',
    'app',
    `/${'x'.repeat(1024)}`,
    `/${'"'.repeat(600)}`,
    '/elastauth/logout',
    '/elastauth/login?return_to=/',
    '/elastauth',
    '/%65lastauth/logout',
    '/x/../elastauth/logout',
    '/é',
    '/a b',
    '/a\\b',
    '/%zz/../%ff',
  ]) {
    assert.match(safeReturnTo(target), target === '/%zz/../%ff' ? /^\/(%ff)?$/ : /^\/$/, String(target))
  }
})
