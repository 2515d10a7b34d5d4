import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readTraceContext, withTraceContext } from '../../../src/tracing/trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const valid = `00-${traceId}-${spanId}-01`

describe('the trace context of a request', () => {
  test('the trace context of a request is that of its traceparent and tracestate headers, in any case', () => {
    const context = readTraceContext({ rawHeaders: ['TraceParent', valid, 'tracestate', 'a=1', 'Tracestate', 'b=2'] })
    const { traceState, ...rest } = context!
    assert.deepEqual(rest, { traceId, spanId, traceFlags: 1, isRemote: true })
    assert.equal(traceState!.serialize(), 'a=1,b=2')
  })

  test('the trace context of a request keeps only the sampled flag of the flags', () => {
    const flagsOf = (flags: string) =>
      readTraceContext({ rawHeaders: ['traceparent', `00-${traceId}-${spanId}-${flags}`] })?.traceFlags
    assert.deepEqual(['00', '01', 'fe', 'ff'].map(flagsOf), [0, 1, 0, 1])
  })

  for (const [name, rawHeaders] of [
    ['without traceparent', ['tracestate', 'a=1']],
    ['with two traceparent headers, even equal ones', ['traceparent', valid, 'Traceparent', valid]],
    ['with an invalid traceparent', ['traceparent', `${valid}-00`]],
    ['with a trace id of zeros', ['traceparent', valid.replace(traceId, '0'.repeat(32))]],
  ] as const) {
    test(`the trace context of a request is undefined ${name}`, () =>
      assert.equal(readTraceContext({ rawHeaders: [...rawHeaders] }), undefined))
  }
})

describe('the headers for an upstream', () => {
  test("the headers for an upstream name elastauth's span in place of the client's trace headers", () => {
    const { traceState } = readTraceContext({ rawHeaders: ['traceparent', valid, 'tracestate', 'a=1'] })!
    const headers = [
      'Host',
      'es',
      'Traceparent',
      'forged',
      'TRACESTATE',
      'x=1',
      'tracestate',
      'y=2',
      'X-A',
      'traceparent',
    ]
    assert.deepEqual(withTraceContext(headers, { traceId, spanId, traceFlags: 0, ...(traceState && { traceState }) }), [
      ...['Host', 'es', 'X-A', 'traceparent'],
      ...['traceparent', `00-${traceId}-${spanId}-00`],
      ...['tracestate', 'a=1'],
    ])
  })

  test('the headers for an upstream have no tracestate if the trace has none', () => {
    assert.deepEqual(withTraceContext(['tracestate', 'x=1'], { traceId, spanId, traceFlags: 1 }), [
      'traceparent',
      valid,
    ])
  })
})
