import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyKindOf, boundIndexNames, indexNamesOfBody, indexNamesOfPath } from '../../../src/audit/index-names.ts'

for (const [request, names] of Object.entries({
  'GET /logs-*,metrics/_search': ['logs-*', 'metrics'],
  'POST //logs/_doc/': ['logs'],
  'PUT /my-index': ['my-index'],
  'DELETE /a,b': ['a', 'b'],
  'GET /%3Clogs-%7Bnow%2Fd%7D%3E/_count': ['<logs-{now/d}>'],
  'GET /remote:logs/%5Fsearch': ['remote:logs'],
  'GET /_search': [],
  'GET /_cat/indices/x': [],
  'PUT /_security': [],
  'GET /login': [],
  'GET /app/home': [],
  'GET /': [],
  'GET /%zz/_search': ['%zz'],
})) {
  test(`the path of ${request} has the index names [${names}]`, () => {
    const [method, path] = request.split(' ') as [string, string]
    assert.deepEqual(indexNamesOfPath(method, path), names)
  })
}

test('bodies are read only of _bulk and _msearch, in each of their paths', () => {
  for (const path of ['/_bulk', '/logs/_bulk/', '/_msearch', '/%5Fbulk', '/a/_msearch/template'])
    assert.notEqual(bodyKindOf(path), undefined, path)
  for (const path of ['/_search', '/_bulk/x', '/bulk', '/template', '/a/_search/template'])
    assert.equal(bodyKindOf(path), undefined, path)
})

const bulk = [
  '{"index":{"_index":"a","_id":"1"}}',
  '{"index":{"_index":"not this one"}}',
  '{"delete":{"_index":"b"}}',
  '{ "update" : { "_index" : "c" } }',
  '{"doc":{}}',
  '',
  '{"create":{}}',
  '{}',
].join('\n')

test('index names of a _bulk body come from the action lines, not from the documents', () => {
  assert.deepEqual(indexNamesOfBody('_bulk', bulk, true), { names: ['a', 'b', 'c'], incomplete: undefined })
})

test('a line of a body that is cut off is not read', () => {
  const head = bulk.slice(0, bulk.indexOf('"b"') + 2)
  assert.deepEqual(indexNamesOfBody('_bulk', head, false), { names: ['a'], incomplete: 'too_long' })
})

test('index names of an _msearch body come from the header lines', () => {
  const body = '{"index":["a","b"]}\n{"query":{}}\n{}\n{"index":"x"}\n{"index":"c,d"}\n{}\n'
  assert.deepEqual(indexNamesOfBody('_msearch', body, true).names, ['a', 'b', 'c', 'd'])
})

for (const [what, body] of Object.entries({
  'other bytes': '\0\xff\x80',
  'an unknown action': '{"drop":{"_index":"a"}}\n',
  'an array': '[1]\n',
  'an action without an object': '{"index":null}\n',
  'the end of an object': '{"index":{"_index":"a"}\n',
  'deep nesting': `${'['.repeat(60_000)}\n`,
})) {
  test(`a _bulk body with ${what} is malformed, and causes no error`, () => {
    assert.equal(indexNamesOfBody('_bulk', body, true).incomplete, 'malformed')
  })
}

test('a name that is not text is left out', () => {
  assert.deepEqual(indexNamesOfBody('_bulk', '{"index":{"_index":{"a":1}}}\n{}\n', true).names, [])
})

test('the list is limited in number and size, has no duplicates, and its control characters are escaped', () => {
  assert.deepEqual(boundIndexNames({ names: ['a', 'a', 'b\n\u009b'] }), {
    names: ['a', 'b\\u000a\\u009b'],
    incomplete: undefined,
  })
  const many = boundIndexNames({ names: Array.from({ length: 51 }, (_, i) => `i${i}`) })
  assert.deepEqual([many.names.length, many.incomplete], [50, 'too_many'])
  const long = boundIndexNames({ names: Array.from({ length: 10 }, (_, i) => `${i}${'\u20ac'.repeat(300)}`) })
  assert.deepEqual([long.names.length, long.incomplete], [1, 'too_many'])
  assert.ok(long.names[0]!.length <= 255)
})
