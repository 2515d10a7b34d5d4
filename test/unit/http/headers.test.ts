import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  addConnectionOptions,
  connectionOptionsOf,
  fieldLinesOf,
  isHeader,
  namesOf,
  singleValueOf,
  someHeader,
  toHeaderObject,
  valuesOf,
  withoutHeaders,
} from '../../../src/http/headers.ts'

const duplicate = () => new Error('duplicate')
const headers = ['Host', 'es', 'X-A', '1', 'x-b', 'x-a', 'x-a', '2', 'X-A ', '3']

describe('isHeader', () => {
  for (const name of ['x-proxy-secret', 'X-Proxy-Secret', 'X-PROXY-SECRET', 'x-Proxy-sEcret'])
    test(`isHeader accepts ${name} as x-proxy-secret, because names are case-insensitive`, () =>
      assert.equal(isHeader(name, 'x-proxy-secret'), true))
  for (const name of ['', 'x-proxy-secre', 'x-proxy-secrets', 'x_proxy_secret', 'x-proxy-secret ', ' x-proxy-secret'])
    test(`isHeader does not accept "${name}" as x-proxy-secret`, () =>
      assert.equal(isHeader(name, 'x-proxy-secret'), false))
})

describe('valuesOf', () => {
  test('valuesOf returns the values of a duplicated header in order, and no value that only looks like the name', () =>
    assert.deepEqual(valuesOf(headers, 'x-a'), ['1', '2']))
  for (const name of ['x-c', 'es', '1', '__proto__', 'length'])
    test(`valuesOf returns no value for ${name}, which is not among the headers`, () =>
      assert.deepEqual(valuesOf(headers, name), []))
})

describe('singleValueOf', () => {
  test('singleValueOf returns the value of a header that occurs once, in any case of its name', () => {
    assert.equal(singleValueOf(headers, 'host', duplicate), 'es')
    assert.equal(singleValueOf(['HOST', ''], 'host', duplicate), '')
  })
  test('singleValueOf returns undefined for an absent header', () => {
    assert.equal(singleValueOf(headers, 'x-c', duplicate), undefined)
    assert.equal(singleValueOf([], 'host', duplicate), undefined)
    assert.equal(singleValueOf(['x', 'host', 'es', 'x'], 'host', duplicate), undefined)
  })
  for (const doubled of [
    ['host', 'a', 'host', 'b'],
    ['Host', 'a', 'x', 'y', 'HOST', 'a'],
    ['host', '', 'host', ''],
    ['host', '', 'Host', 'a'],
  ])
    test(`singleValueOf throws for the duplicated header in ${JSON.stringify(doubled)}`, () =>
      assert.throws(() => singleValueOf(doubled, 'host', duplicate), /duplicate/))
})

test('someHeader calls the condition with names and their values, not with values as names', () => {
  assert.equal(
    someHeader(headers, (name, value) => name === 'x-b' && value === 'x-a'),
    true,
  )
  assert.equal(
    someHeader(headers, (name) => name === 'es'),
    false,
  )
  assert.equal(
    someHeader([], () => true),
    false,
  )
})

test('namesOf returns every name as it is, duplicates included', () =>
  assert.deepEqual(namesOf(headers), ['Host', 'X-A', 'x-b', 'x-a', 'X-A ']))

test('withoutHeaders removes names in any case with their values, and nothing whose value is such a name', () => {
  assert.deepEqual(withoutHeaders(headers, new Set(['x-a'])), ['Host', 'es', 'x-b', 'x-a', 'X-A ', '3'])
  assert.deepEqual(withoutHeaders(headers, new Set(['es', '1'])), headers)
})

test('fieldLinesOf writes one line per header', () => {
  assert.deepEqual(fieldLinesOf(['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']), ['Set-Cookie: a=1', 'Set-Cookie: b=2'])
  assert.deepEqual(fieldLinesOf([]), [])
})

describe('toHeaderObject', () => {
  test('toHeaderObject has names in lower case and duplicates as a list', () => {
    const object = toHeaderObject(['Link', 'a', 'X', '1', 'link', 'b', 'LINK', 'c'])
    assert.deepEqual(Object.entries(object), [
      ['link', ['a', 'b', 'c']],
      ['x', '1'],
    ])
  })
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
    test(`toHeaderObject keeps a header named ${name} as a header`, () => {
      const object = toHeaderObject([name, 'a', name, 'b'])
      assert.deepEqual(Object.entries(object), [[name.toLowerCase(), ['a', 'b']]])
      assert.equal(Object.getPrototypeOf(object), null)
    })
})

describe('connectionOptionsOf', () => {
  for (const [name, given, expected] of [
    ['no options without a Connection header', ['X-A', 'close, x-b'], undefined],
    ['no options for keep-alive', ['Connection', 'keep-alive'], undefined],
    ['no options for Close', ['connection', 'Close'], undefined],
    ['the names in lower case', ['Connection', 'Keep-Alive, X-Internal'], ['keep-alive', 'x-internal']],
    [
      'the options of every Connection header',
      ['Connection', 'a', 'x', 'y', 'CONNECTION', 'close,B\t'],
      ['a', 'close', 'b'],
    ],
    [
      'the options in a second Connection header after keep-alive',
      ['Connection', 'keep-alive', 'connection', 'te'],
      ['te'],
    ],
    ['no option of Proxy-Connection', ['Proxy-Connection', 'x-a'], undefined],
  ] as const)
    test(`connectionOptionsOf returns ${name}`, () => {
      const options = connectionOptionsOf(given)
      assert.deepEqual(options && [...options], expected)
    })
})

test('addConnectionOptions extends the set that it is given', () => {
  const options = addConnectionOptions(undefined, 'x-a')!
  assert.equal(addConnectionOptions(options, 'keep-alive'), options)
  assert.equal(addConnectionOptions(options, 'X-B'), options)
  assert.deepEqual([...options], ['x-a', 'x-b'])
})
