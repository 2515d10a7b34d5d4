import { AsyncLocalStorage } from 'node:async_hooks'
import {
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { errorTable, GatewayError } from '../http/errors.ts'

/**
 * The spans below a request's span. Work that belongs to no request, such as the idle sweep, has no span: each of its
 * calls would be a trace of its own.
 */
export type Spans = Readonly<{
  /** The span of the current asynchronous context; undefined outside a request. */
  active: () => Span | undefined
  /** Runs a task with a span as the active one. */
  run: <T>(span: Span, task: () => T) => T
  /**
   * Starts a span below the active one; undefined outside a request. In a trace that is not sampled, it is the request's
   * span, which records nothing.
   */
  startChild: (name: string, options: SpanOptions) => Span | undefined
  /** Runs a task in a span below the active one, and ends the span with the task. */
  inChild: <T>(name: string, options: SpanOptions, task: (span: Span | undefined) => Promise<T>) => Promise<T>
}>

/**
 * The active span is kept in a storage of this function, not in OpenTelemetry's global context. Otherwise libraries
 * that contain their own instrumentation would add spans, whose attributes may contain usernames.
 */
export function createSpans(tracer: Tracer): Spans {
  const storage = new AsyncLocalStorage<Span>()
  const active = () => storage.getStore()
  const run: Spans['run'] = (span, task) => storage.run(span, task)

  function startChild(name: string, options: SpanOptions): Span | undefined {
    const parent = active()
    if (parent === undefined || !isSampled(parent)) return parent
    return tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, parent))
  }

  async function inChild<T>(name: string, options: SpanOptions, task: (span: Span | undefined) => Promise<T>) {
    const span = startChild(name, options)
    if (span === undefined || !isSampled(span)) return task(undefined)
    try {
      return await run(span, () => task(span))
    } catch (error) {
      recordFailure(span, error)
      throw error
    } finally {
      span.end()
    }
  }

  return Object.freeze({ active, run, startChild, inChild })
}

function isSampled(span: Span): boolean {
  return (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0
}

/**
 * Records why a span failed, without the error's message, which may name a user. A rejection, such as a missing
 * identity, is not an error of elastauth, so it does not set the span's status.
 */
export function recordFailure(span: Span, error: unknown): void {
  span.setAttribute('error.type', typeOf(error))
  const isRejection = error instanceof GatewayError && errorTable[error.code].status < 500
  if (!isRejection) span.setStatus({ code: SpanStatusCode.ERROR })
}

function typeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown }
  if (typeof code === 'string') return code
  return typeof name === 'string' && name !== 'Error' ? name : '_OTHER'
}
