import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseTraceparent } from '../../../src/http/traceparent.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'
const valid = `00-${traceId}-${parentId}-01`

describe('traceparent (W3C Trace Context, section 3.2)', () => {
  for (const [what, value, flags] of [
    ['a sampled request of version 00', valid, 1],
    ['a request that was not sampled', `00-${traceId}-${parentId}-00`, 0],
    ['a request with flags that version 00 does not define', `00-${traceId}-${parentId}-ff`, 255],
    ['a later version', `01-${traceId}-${parentId}-03`, 3],
    ['a later version with more parts', `cc-${traceId}-${parentId}-01-what-the-future-will-be-like`, 1],
    ['a later version with an empty part', `cc-${traceId}-${parentId}-01-`, 1],
  ] as const) {
    test(`the trace id, parent id and flags of ${what} are read`, () => {
      assert.deepEqual(parseTraceparent(value), { traceId, parentId, flags })
    })
  }

  for (const [what, value] of [
    ['an empty value', ''],
    ['version ff', `ff-${traceId}-${parentId}-01`],
    ['version 00 with a further part', `${valid}-what-the-future-will-be-like`],
    ['version 00 with a final dash', `${valid}-`],
    ['a later version whose flags have no dash after them', `cc-${traceId}-${parentId}-01.what`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${parentId}-01`],
    ['a parent id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['a later version with a trace id of zeros', `cc-${'0'.repeat(32)}-${parentId}-01`],
    ['a trace id in upper case', `00-${traceId.toUpperCase()}-${parentId}-01`],
    ['a parent id in upper case', `00-${traceId}-${parentId.toUpperCase()}-01`],
    ['a version in upper case', `0A-${traceId}-${parentId}-01`],
    ['flags in upper case', `00-${traceId}-${parentId}-0A`],
    ['a trace id that is too short', `00-${traceId.slice(1)}-${parentId}-01`],
    ['a trace id that is too long', `00-${traceId}0-${parentId}-01`],
    ['a character that is not a hexadecimal digit', `00-${traceId.replace('4', 'g')}-${parentId}-01`],
    ['flags of one digit', `00-${traceId}-${parentId}-1`],
    ['no flags', `00-${traceId}-${parentId}`],
    ['underscores instead of dashes', valid.replaceAll('-', '_')],
    ['two values in one header', `${valid}, ${valid}`],
    ['a space before it', ` ${valid}`],
    ['a space after it', `${valid} `],
    ['a line break after it', `${valid}\n`],
    ['a control character in a later version', `cc-${traceId}-${parentId}-01-\x1b[31m`],
  ] as const) {
    test(`a traceparent with ${what} is invalid`, () => {
      assert.equal(parseTraceparent(value), undefined)
    })
  }
})
