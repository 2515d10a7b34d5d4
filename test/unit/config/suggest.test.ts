import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findNearest, suggest, suggestField } from '../../../config/suggest.ts'

const known = ['hosts', 'host', 'listen', 'log_level', 'cache.expiration', 'ca']

for (const [word, nearest, why] of [
  ['hots', 'hosts', 'the first of two with one difference'],
  ['hostss', 'hosts', 'one letter too many'],
  ['lsiten', 'listen', 'two swapped letters'],
  ['lisen', 'listen', 'a missing letter'],
  ['lixten', 'listen', 'another letter'],
  ['LISTEN', 'listen', 'case does not count'],
  ['cache.expirtaoin', 'cache.expiration', 'two swaps in a long word'],
  ['cache.exxxxxation', undefined, 'four differences in a long word'],
  ['lixxen', 'listen', 'two differences in a word of six letters'],
  ['lxxxen', undefined, 'three differences in a word of six letters'],
  ['cb', 'ca', 'one difference in a short word'],
  ['ac', 'ca', 'two swapped letters count as one difference'],
  ['xyz', undefined, 'more than one difference in a short word'],
  ['', undefined, 'two differences from the shortest word'],
  ['a word that is much longer', undefined, 'lengths that differ by more than three'],
] as const) {
  test(`the known word nearest to "${word}" is ${nearest}: ${why}`, () => {
    assert.equal(findNearest(word, known), nearest)
  })
}

test('suggest names the nearest word, or the page with all keys if none is similar', () => {
  assert.equal(suggest('lsiten', known), 'did you mean `listen`?')
  assert.equal(suggest('xyz', known), 'config/elastauth.example.yml lists all keys')
  assert.equal(suggest('xyz', known, 'remove it'), 'remove it')
})

test('suggestField names all keys of an entry if none is similar, because no page lists them', () => {
  const fields = { host: 1, upstreams: 2 }
  assert.equal(suggestField('upstream', fields), 'did you mean `upstreams`?')
  assert.equal(suggestField('foo', fields), 'use one of host, upstreams')
})
