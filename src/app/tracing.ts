import type { CustomFetch } from 'openid-client'
import type { Call } from '../es/call.ts'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import type { LogRequest } from '../observability/request-log.ts'
import type { Upstream } from '../proxy/routing/upstreams.ts'
import type { Tunnels } from '../proxy/websocket/upgrade.ts'
import type { RedisCall } from '../redis/call.ts'
import type { RequestHandlers } from '../server/options.ts'
import { type TraceAuthenticate, traceAuthenticate, traceCalls, traceProviderFetch } from '../tracing/client-spans.ts'
import { createRequestSpans, type RequestSpans } from '../tracing/request-spans.ts'
import { createSpans } from '../tracing/spans.ts'
import { createTracer } from '../tracing/tracer.ts'
import { traceTunnels, traceUpstream } from '../tracing/upstream-spans.ts'
import { version } from './version.ts'

/** What adds spans to each part of a request. The parts themselves do not know of tracing. */
export type Tracing = Readonly<{
  handlers: (handlers: RequestHandlers) => RequestHandlers
  authenticate: TraceAuthenticate
  elasticsearch: (call: Call) => Call
  redis: (call: RedisCall) => RedisCall
  provider: (fetch: CustomFetch) => CustomFetch
  upstream: (upstream: Upstream) => Upstream
  tunnels: (tunnels: Tunnels) => Tunnels
  log: (logRequest: LogRequest) => LogRequest
  traceOf: RequestSpans['traceOf']
  /** Exports the remaining spans, for at most two seconds. */
  close: () => Promise<void>
}>

/** Starts to export traces. Imported only if that is configured, because the SDK takes 100 ms to load. */
export function startTracing(log: Logger): Tracing {
  const { tracer, close } = createTracer({
    version,
    warn: (text) => log.warn(`OpenTelemetry: ${text}`),
    onExportState(reason) {
      if (reason === undefined) logEvent(log, 'traces_up', {}, 'traces are exported again')
      else logEvent(log, 'traces_down', {}, `traces cannot be exported: ${reason}; see OTEL_EXPORTER_OTLP_ENDPOINT`)
    },
  })
  const spans = createSpans(tracer)
  const propagates = hasTraceContext(process.env.OTEL_PROPAGATORS)
  const { traceHandlers, traceLog, traceOf } = createRequestSpans(tracer, spans, propagates)
  return Object.freeze<Tracing>({
    handlers: traceHandlers,
    authenticate: traceAuthenticate(spans),
    elasticsearch: (call) => traceCalls(spans, 'elasticsearch', call),
    redis: (call) => traceCalls(spans, 'redis', call),
    provider: (fetch) => traceProviderFetch(spans, fetch),
    upstream: (upstream) => traceUpstream(spans, propagates, upstream),
    tunnels: (tunnels) => traceTunnels(spans, propagates, tunnels),
    log: traceLog,
    traceOf,
    close,
  })
}

/** Whether `OTEL_PROPAGATORS` includes W3C Trace Context, the only propagation that elastauth supports. */
function hasTraceContext(propagators = ''): boolean {
  return propagators.trim() === '' || propagators.split(',').some((name) => name.trim() === 'tracecontext')
}
