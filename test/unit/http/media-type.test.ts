import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isHtml, mediaTypeOf } from '../../../src/http/media-type.ts'

describe('media types', () => {
  for (const [header, expected] of [
    ['application/json', 'application/json'],
    ['Application/JSON; charset=utf-8', 'application/json'],
    ['application/vnd.elasticsearch+json;compatible-with=8', 'application/vnd.elasticsearch+json'],
    ['  text/html  ', 'text/html'],
    ['application/json, text/html', 'application/json, text/html'], // two types are none
    ['', ''],
  ] as const) {
    test(`the media type of the Content-Type "${header}" is "${expected}"`, () => {
      assert.equal(mediaTypeOf(header), expected)
    })
  }

  for (const [header, expected] of [
    ['text/html', true],
    ['TEXT/HTML; charset=utf-8', true],
    [' text/html', true],
    ['text/html,application/xml;q=0.9,*/*;q=0.8', true],
    ['application/xhtml+xml', true],
    ['text/html;q=0.9', true],
    ['application/json, text/html', false],
    ['text/html5', false],
    ['text/htm', false],
    ['*/*', false],
    ['', false],
  ] as const) {
    test(`the first media type of "${header}" is ${expected ? '' : 'not '}HTML`, () => {
      assert.equal(isHtml(header), expected)
    })
  }
})
