import { type Span, SpanKind } from '@opentelemetry/api'
import type { Dispatcher } from 'undici'
import { pathBeforeFragment } from '../http/target.ts'
import type { Upstream } from '../proxy/routing/upstreams.ts'
import type { Tunnels } from '../proxy/websocket/upgrade.ts'
import { methodInName, recordResponse, requestAttributes } from './http-attributes.ts'
import { recordFailure, type Spans } from './spans.ts'
import { withTraceContext } from './trace-context.ts'

/** Traces the requests to an upstream, which continues the trace. Its health checks belong to no request. */
export function traceUpstream(spans: Spans, propagates: boolean, upstream: Upstream): Upstream {
  return Object.freeze<Upstream>({
    ...upstream,
    dispatch(request, handler) {
      const span = startUpstreamSpan(spans, upstream, request.method, request.path)
      if (span === undefined) return upstream.dispatch(request, handler)
      const headers = propagates ? withTraceContext(request.headers, span.spanContext()) : request.headers
      upstream.dispatch({ ...request, headers }, new TracedHandler(handler, span))
    },
  })
}

/** Traces the upgrade requests to upstreams. A span ends with the response, because a tunnel may stay open for days. */
export function traceTunnels(spans: Spans, propagates: boolean, tunnels: Tunnels): Tunnels {
  return Object.freeze<Tunnels>({
    ...tunnels,
    async open(response, target) {
      const requestSpan = spans.active()
      const span = startUpstreamSpan(spans, target.upstream, 'GET', target.path)
      if (span === undefined || requestSpan === undefined) return tunnels.open(response, target)
      const headers = propagates ? withTraceContext(target.headers, span.spanContext()) : target.headers
      const buildResponseHeaders: typeof target.buildResponseHeaders = (rawHeaders, status) => {
        recordResponse(span, status)
        span.end()
        if (status === 101) requestSpan.setAttribute('http.response.status_code', status).end()
        return target.buildResponseHeaders(rawHeaders, status)
      }
      try {
        await tunnels.open(response, { ...target, headers, buildResponseHeaders })
      } catch (error) {
        if (span.isRecording()) recordFailure(span, error)
        throw error
      } finally {
        if (span.isRecording()) span.end()
      }
    },
  })
}

function startUpstreamSpan(spans: Spans, { url }: Upstream, method: string, target: string): Span | undefined {
  const attributes = requestAttributes(method, url, pathBeforeFragment(target))
  return spans.startChild(methodInName(method), { kind: SpanKind.CLIENT, attributes })
}

/** Records the outcome of a request to an upstream, and passes all events on. */
class TracedHandler implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #span: Span

  constructor(handler: Dispatcher.DispatchHandler, span: Span) {
    this.#handler = handler
    this.#span = span
  }

  onRequestStart(...event: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestStart']>>): void {
    this.#handler.onRequestStart?.(...event)
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onResponseStart(...event: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    const [, status] = event
    if (status >= 200) recordResponse(this.#span, status)
    this.#handler.onResponseStart?.(...event)
  }

  onResponseData(...event: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseData']>>): void {
    this.#handler.onResponseData?.(...event)
  }

  onResponseEnd(...event: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.#span.end()
    this.#handler.onResponseEnd?.(...event)
  }

  onResponseError(...event: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseError']>>): void {
    const [, error] = event
    recordFailure(this.#span, error)
    this.#span.end()
    this.#handler.onResponseError?.(...event)
  }
}
