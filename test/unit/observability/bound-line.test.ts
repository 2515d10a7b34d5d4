import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { boundLine } from '../../../src/observability/bound-line.ts'
import fc from '../../support/property.ts'

const maxBytes = 4096
const json = (fields: object) => `${JSON.stringify(fields)}\n`

describe('a line that is short enough', () => {
  test('a line that is short enough stays as it is, even with characters of several bytes', () => {
    for (const line of [
      json({ message: 'x'.repeat(2000) }),
      json({ message: '€'.repeat(1300) }),
      `${'ä'.repeat(2000)}\n`,
    ])
      assert.equal(boundLine(line, maxBytes), line)
  })
})

describe('a line that is too long', () => {
  test('a line that is too long loses the middle of its longest text, and keeps the beginning, the end and all other fields', () => {
    const line = json({ status: 200, path: '/short', message: `GET ${'x'.repeat(8000)} 200 why`, roles: ['a'] })
    const bounded = boundLine(line, maxBytes)
    assert.ok(Buffer.byteLength(bounded) <= maxBytes && bounded.length > maxBytes - 10)
    const { message, ...rest } = JSON.parse(bounded)
    assert.deepEqual(rest, { status: 200, path: '/short', roles: ['a'] })
    assert.match(message, /^GET x+…x+ 200 why$/)
  })

  test('a JSON line that is too long stays one line of JSON of the allowed size, whatever characters its texts have', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6000 })
    fc.assert(
      fc.property(text, text, text, (path, message, stack) => {
        const bounded = boundLine(json({ path, message, stack }), maxBytes)
        assert.ok(Buffer.byteLength(bounded) <= maxBytes)
        assert.equal(bounded.indexOf('\n'), bounded.length - 1)
        assert.deepEqual(Object.keys(JSON.parse(bounded)), ['path', 'message', 'stack'])
      }),
      { numRuns: 100 },
    )
  })

  test('a line of the text format that is too long loses its middle, and the lines after it stay', () => {
    const bounded = boundLine(`[10:00] INFO: ${'€'.repeat(3000)} end\nnext\n`, maxBytes)
    assert.match(bounded, /^\[10:00\] INFO: €+\ufffd?…\ufffd*€+ end\nnext\n$/)
    const bytes = Buffer.byteLength(bounded.split('\n')[0]!)
    assert.ok(bytes < maxBytes && bytes > maxBytes - 20, `${bytes}`)
  })
})
