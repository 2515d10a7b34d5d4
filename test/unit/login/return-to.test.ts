import assert from 'node:assert/strict'
import { test } from 'node:test'
import { safeReturnTo } from '../../../src/login/return-to.ts'

const origin = 'https://kibana.example.com'

/** Ways to write an address that browsers, or frameworks before us, have read as another origin’s. */
const starts = [
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

const generated = starts.flatMap((start) => hosts.map((host) => start + host))

test(`${generated.length} generated addresses: none leaves the origin`, () => {
  assert.ok(generated.length >= 500)
  for (const target of generated) {
    const path = safeReturnTo(target)
    const url = new URL(path, `${origin}/elastauth/callback`)
    assert.equal(url.origin, origin, JSON.stringify(target))
    // As a browser puts it into the address bar, so it must be read again.
    assert.equal(new URL(url.pathname + url.search, origin).origin, origin, JSON.stringify(target))
    assert.match(path, /^\/(?![/\\])[\x21-\x7e]*$/, JSON.stringify(target))
  }
})

test('what leads to a page here stays as it is', () => {
  for (const path of [
    '/',
    '/app/discover',
    '/app/discover?columns=a,b&q=%22x%20y%22',
    '/s/space/app/home?next=https://elsewhere.example/',
    '/a//b',
    '/%C3%A9?x=//y',
    '/?',
    `/${'x'.repeat(1000)}`,
  ]) {
    assert.equal(safeReturnTo(path), path === '/?' ? '/' : path)
  }
})

test('nothing, too long, our own pages, and bytes that must be encoded: to the start page', () => {
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
