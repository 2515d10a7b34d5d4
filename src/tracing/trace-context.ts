import type { IncomingMessage } from 'node:http'
import { createTraceState, type SpanContext } from '@opentelemetry/api'
import { valuesOf, withoutHeaders } from '../http/headers.ts'
import { parseTraceparent } from '../http/traceparent.ts'

const traceHeaders: ReadonlySet<string> = new Set(['traceparent', 'tracestate'])

/** The span of the caller (W3C Trace Context); undefined without a valid `traceparent` header, or with several. */
export function readTraceContext({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): SpanContext | undefined {
  const [value, ...others] = valuesOf(rawHeaders, 'traceparent')
  if (value === undefined || others.length > 0) return undefined
  const parsed = parseTraceparent(value)
  if (parsed === undefined) return undefined
  const { traceId, parentId, flags } = parsed
  const states = valuesOf(rawHeaders, 'tracestate')
  return {
    traceId,
    spanId: parentId,
    traceFlags: flags & 1, // the other flags are reserved (section 3.2.2.5)
    isRemote: true,
    ...(states.length > 0 && { traceState: createTraceState(states.join(',')) }),
  }
}

/** Headers with which an upstream continues a trace, in place of the client's own. */
export function withTraceContext(headers: readonly string[], span: SpanContext): string[] {
  const { traceId, spanId, traceFlags, traceState } = span
  const state = traceState?.serialize()
  return [
    ...withoutHeaders(headers, traceHeaders),
    'traceparent',
    `00-${traceId}-${spanId}-0${traceFlags & 1}`,
    ...(state ? ['tracestate', state] : []),
  ]
}
