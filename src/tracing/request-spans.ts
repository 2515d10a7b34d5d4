import type { ServerResponse } from 'node:http'
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { withoutBrackets } from '../../config/hosts.ts'
import type { ModeHandler } from '../http/handler.ts'
import type { RequestContext } from '../http/request-context.ts'
import { type LogRequest, type Outcome, statusOf, type TraceFields } from '../observability/request-log.ts'
import { sanitize } from '../observability/sanitize.ts'
import type { RequestHandlers } from '../server/options.ts'
import { methodAttribute, methodInName } from './http-attributes.ts'
import type { Spans } from './spans.ts'
import { readTraceContext } from './trace-context.ts'

/** Endpoints that monitoring requests every few seconds. */
const untraced = ['health', 'live', 'ready', 'metrics'].map((name) => `/elastauth/${name}`)

export type RequestSpans = Readonly<{
  /** Starts a span for each request that one of the handlers processes. */
  traceHandlers: (handlers: RequestHandlers) => RequestHandlers
  /** Ends the spans of requests, when their responses have been sent. */
  traceLog: (logRequest: LogRequest) => LogRequest
  traceOf: (context: RequestContext) => TraceFields
}>

/** @param propagates whether a trace continues that of a trusted caller */
export function createRequestSpans(tracer: Tracer, spans: Spans, propagates: boolean): RequestSpans {
  const started = new WeakMap<RequestContext, Span>()

  function traceHandler(handle: ModeHandler, route?: string): ModeHandler {
    return function tracedHandler(context) {
      const span = startSpan(tracer, context, { route, propagates })
      started.set(context, span)
      return spans.run(span, async () => {
        const result = await handle(context)
        if (!('stream' in result)) return result
        return { ...result, stream: (response) => spans.run(span, () => result.stream(response)) }
      })
    }
  }

  return Object.freeze({
    traceHandlers: (handlers: RequestHandlers) =>
      Object.freeze({
        ...handlers,
        handle: traceHandler(handlers.handle),
        ...(handlers.upgrade && { upgrade: traceHandler(handlers.upgrade) }),
        endpoints: new Map(
          [...handlers.endpoints].map(([path, endpoint]) => [
            path,
            untraced.includes(path)
              ? endpoint
              : { ...endpoint, handle: traceHandler(endpoint.handle, path) as typeof endpoint.handle },
          ]),
        ),
      }),
    traceLog: (logRequest: LogRequest): LogRequest =>
      function tracedLog(context, response, outcome) {
        const span = started.get(context)
        if (span?.isRecording()) endWith(span, response, outcome)
        logRequest(context, response, outcome)
      },
    traceOf(context: RequestContext) {
      const span = started.get(context)?.spanContext()
      return { 'trace.id': span?.traceId, 'span.id': span?.spanId }
    },
  })
}

/**
 * Starts the span of a request. It continues the trace of a trusted peer. Any other client could force the sampling of its
 * requests, or add spans to the traces of others, so its trace is only linked (W3C Trace Context, section 3.4).
 */
function startSpan(
  tracer: Tracer,
  context: RequestContext,
  { route, propagates }: Readonly<{ route: string | undefined; propagates: boolean }>,
): Span {
  const { method, path, domain } = sanitize(context.original)
  const name = route === undefined ? methodInName(method) : `${methodInName(method)} ${route}`
  const attributes: Attributes = {
    ...methodAttribute(method),
    'url.path': path,
    'url.scheme': 'encrypted' in context.request.socket ? 'https' : 'http',
    'elastauth.request.id': context.id,
    ...(domain !== undefined && { 'server.address': withoutBrackets(domain.replace(/:\d+$/, '')) }),
    ...(route !== undefined && { 'http.route': route }),
  }
  const options = { kind: SpanKind.SERVER, startTime: context.startedAt, attributes }
  const caller = propagates ? readTraceContext(context.request) : undefined
  if (caller === undefined) return tracer.startSpan(name, options, ROOT_CONTEXT)
  if (context.isTrusted) return tracer.startSpan(name, options, trace.setSpanContext(ROOT_CONTEXT, caller))
  return tracer.startSpan(name, { ...options, links: [{ context: caller }] }, ROOT_CONTEXT)
}

function endWith(span: Span, response: ServerResponse, { error, status }: Outcome): void {
  function end(): void {
    if (!span.isRecording()) return
    const sent = status ?? statusOf(response)
    span.setAttribute('http.response.status_code', sent)
    if (sent >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    if (error !== undefined || sent >= 500) span.setAttribute('error.type', error?.code ?? String(sent))
    span.end()
  }
  if (response.destroyed || response.writableFinished || response.statusCode === 101) end()
  else response.once('finish', end).once('close', end)
}
