import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  originForm,
  parseAbsoluteForm,
  pathBeforeFragment,
  pathOf,
  percentDecode,
  percentDecodeBytes,
  queryOf,
  withoutTrailingSlashes,
} from '../../../src/http/target.ts'

describe('originForm', () => {
  const rows: [target: string, expected: string | undefined][] = [
    ['/a//b/../c?x#y', '/a//b/../c?x#y'],
    ['//x', '//x'],
    ['/http://es.example.com/a', '/http://es.example.com/a'],
    ['/a?b=http://es.example.com/c', '/a?b=http://es.example.com/c'],
    ['http://es.example.com/a%2Fb?c', '/a%2Fb?c'],
    ['http://es.example.com', '/'],
    ['http://es.example.com#x', '/#x'],
    ['HTTPS://es.example.com?x=/y', '/?x=/y'],
    ['http://es.example.com//x', '//x'],
    ['http://user:secret@es.example.com/x', '/x'],
    ['http:///x', '/x'],
    ['ws+unix://es/x', '/x'],
    ['http://a/http://b/c', '/http://b/c'],
    ['', '/'],
    ['?x', '/?x'],
    ['*', undefined],
    ['es.example.com:443', undefined],
    ['http:/x', undefined],
    ['http:\\\\evil\\x', undefined],
    [' /x', undefined],
    ['a/b', undefined],
    ['1http://es/x', undefined],
  ]
  for (const [target, expected] of rows)
    test(`originForm of "${target}" is ${expected}`, () => assert.equal(originForm(target), expected))
})

describe('parseAbsoluteForm', () => {
  const rows: [target: string, parts: [scheme: string, authority: string, rest: string] | undefined][] = [
    ['http://es.example.com/a?b#c', ['http', 'es.example.com', '/a?b#c']],
    ['HTTPS://User:Secret@ES.example.com:9200', ['HTTPS', 'User:Secret@ES.example.com:9200', '']],
    ['http://[::1]:9200/', ['http', '[::1]:9200', '/']],
    ['http://a?b=/c', ['http', 'a', '?b=/c']],
    ['http://a#/b', ['http', 'a', '#/b']],
    ['http:///x', ['http', '', '/x']],
    ['http://a@b@c/x', ['http', 'a@b@c', '/x']],
    ['ws+unix://es/x', ['ws+unix', 'es', '/x']],
    ['http://a/http://b/c', ['http', 'a', '/http://b/c']],
    ['/http://es/x', undefined],
    ['es.example.com:443', undefined],
    ['1http://es/x', undefined],
    [' http://es/x', undefined],
    ['http:/x', undefined],
    ['*', undefined],
    ['', undefined],
  ]
  for (const [target, expected] of rows) {
    test(`parseAbsoluteForm of "${target}" is ${JSON.stringify(expected)}`, () => {
      const parsed = parseAbsoluteForm(target)
      assert.deepEqual(parsed && [parsed.scheme, parsed.authority, parsed.rest], expected)
    })
  }
})

describe('withoutTrailingSlashes', () => {
  for (const [path, expected] of [
    ['/', ''],
    ['', ''],
    ['/kibana', '/kibana'],
    ['/kibana/', '/kibana'],
    ['/a//b///', '/a//b'],
    ['///', ''],
  ] as const) {
    test(`withoutTrailingSlashes of "${path}" is "${expected}"`, () => {
      assert.equal(withoutTrailingSlashes(path), expected)
    })
  }
})

describe('the parts of a target', () => {
  const rows: [target: string, path: string, beforeFragment: string, query: string][] = [
    ['/a/b', '/a/b', '/a/b', ''],
    ['/a?b=c', '/a', '/a', 'b=c'],
    ['/a?', '/a', '/a', ''],
    ['/a?b?c', '/a', '/a', 'b?c'],
    ['/a#b', '/a#b', '/a', ''],
    ['/a#b?c', '/a#b', '/a', 'c'],
    ['/a?b#c', '/a', '/a', 'b#c'],
    ['/a%3Fb', '/a%3Fb', '/a%3Fb', ''],
    ['', '', '', ''],
    ['?', '', '', ''],
  ]
  for (const [target, path, beforeFragment, query] of rows) {
    test(`"${target}" has path "${path}" and query "${query}"`, () =>
      assert.deepEqual([pathOf(target), pathBeforeFragment(target), queryOf(target)], [path, beforeFragment, query]))
  }
})

describe('percent decoding', () => {
  const rows: [text: string, utf8: string | undefined, bytes: string][] = [
    ['/plain', '/plain', '/plain'],
    ['%2e%2E/%2F', '..//', '..//'],
    ['%252e', '%2e', '%2e'], // once
    ['%C3%A4', 'ä', 'Ã¤'],
    ['%c0%ae', undefined, '\xc0\xae'], // an overlong dot
    ['%', undefined, '%'],
    ['%4', undefined, '%4'],
    ['%zz', undefined, '%zz'],
    ['%%34', undefined, '%4'],
    ['%u002e', undefined, '%u002e'],
    ['%00', '\0', '\0'],
    ['a+b', 'a+b', 'a+b'],
  ]
  for (const [text, utf8, bytes] of rows) {
    test(`percent decoding reads ${text} as ${JSON.stringify(utf8)} in UTF-8 and ${JSON.stringify(bytes)} byte by byte`, () =>
      assert.deepEqual([percentDecode(text), percentDecodeBytes(text)], [utf8, bytes]))
  }
})
