import { DiagLogLevel, diag, type Tracer } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'

export type TracerOptions = Readonly<{
  version: string
  /** Called with a warning about an `OTEL_` variable. */
  warn: (text: string) => void
  /** Called with a reason, which may be logged, when exports begin to fail, and with `undefined` when they succeed again. */
  onExportState: (reason: string | undefined) => void
}>

/** How long a shutdown waits for the spans that are not exported yet. */
const closeTimeoutMs = 2000

/** Creates the tracer, which exports in the background. The SDK reads the standard `OTEL_` variables. */
export function createTracer({ version, warn, onExportState }: TracerOptions): {
  tracer: Tracer
  close: () => Promise<void>
} {
  const ignore = () => {}
  // The SDK reports invalid variables while it starts, and later each batch that cannot be exported, with parts of the
  // collector's response. Only the former are logged.
  const logger = { error: warn, warn, info: ignore, debug: ignore, verbose: ignore }
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'elastauth', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(reportOutages(new OTLPTraceExporter(), onExportState))],
  })
  diag.disable()
  return {
    tracer: provider.getTracer('elastauth', version),
    async close() {
      const { promise: timeout, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, closeTimeoutMs)
      await Promise.race([provider.shutdown().catch(ignore), timeout])
      clearTimeout(timer)
    },
  }
}

/** Reports once that exports fail, instead of for each batch. */
function reportOutages(exporter: SpanExporter, onExportState: TracerOptions['onExportState']): SpanExporter {
  let isDown = false
  return {
    export(spans, onResult) {
      exporter.export(spans, (result) => {
        const failed = result.code !== 0
        if (failed !== isDown) onExportState(failed ? reasonOf(result.error) : undefined)
        isDown = failed
        onResult(result)
      })
    },
    shutdown: () => exporter.shutdown(),
  }
}

/** The code of an error. Messages are not logged, because they may contain what the collector has sent. */
function reasonOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (typeof code === 'number') return `it responded with status ${code}`
  if (typeof code === 'string') return code
  return message === 'Request timed out' ? 'it did not respond in time' : 'it does not accept them'
}
