import type { KeyObject } from 'node:crypto'
import { ConfigError } from '../../config/faults.ts'
import type { Config } from '../../config/schema.ts'
import { type AuditLog, createAuditLog, describeSink } from '../audit/audit.ts'
import { type Chain, createChain, deriveAuditKeys } from '../audit/chain.ts'
import { createElasticsearchTarget } from '../audit/elasticsearch.ts'
import { explainFileError, type FileTarget, openFileTarget } from '../audit/file.ts'
import { createSink, type Sink, type SinkEvents, type Target } from '../audit/sink.ts'
import { createStdoutTarget } from '../audit/stdout.ts'
import type { ReadinessChecks } from '../endpoints/ready.ts'
import { createElasticsearch, type Elasticsearch } from '../es/client.ts'
import { createDocumentCreation } from '../es/create-documents.ts'
import type { Endpoint } from '../http/handler.ts'
import type { RequestContext } from '../http/request-context.ts'
import { logEvent, recordEvents } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import { callerTraceOf, type TraceOf } from '../observability/request-log.ts'
import type { Observe } from '../proxy/observe.ts'
import type { RequestHandlers } from '../server/options.ts'
import { type AuditOptions, auditElasticsearchOptions } from './options/audit.ts'
import type { PrepareReload } from './reload.ts'
import { version } from './version.ts'

export type Audit = Readonly<{
  recordDenials: AuditLog['recordDenials']
  /** Undefined if forwarded requests are not recorded. */
  observe: Observe | undefined
  /** Rejects requests while a sink fails; undefined if that is not required. */
  requireAudit: ((handlers: RequestHandlers) => RequestHandlers) | undefined
  checks: ReadinessChecks
  /** Reads the certificates of Elasticsearch again. */
  prepareReload: PrepareReload
  /** Writes the last events, for at most two seconds. */
  close: () => Promise<void>
}>

export type AuditDeps = Readonly<{ log: Logger; metrics: Metrics | undefined; traceOf: TraceOf | undefined }>

/** The maximum size of the buffer of a sink. */
const maxBufferBytes = 16 * 1024 * 1024

/** Starts the audit log. Imported only if it is configured. @throws {ConfigError} if the file cannot be opened */
export async function startAudit(options: AuditOptions, { log, metrics, traceOf }: AuditDeps): Promise<Audit> {
  const { secretKey, isRequired, hasRequests, elasticsearch, dataStream } = options
  const [[keyId, key]] = [...deriveAuditKeys([secretKey])] as [[string, KeyObject]]
  const sinks: Sink[] = []

  function addSink(target: Target, chain: Chain): Sink {
    const about = describeSink(target.name, keyId, version)
    const monotonicNow = () => performance.now()
    const sink = createSink(target, chain, { ...sinkEvents(log), about, monotonicNow, maxBytes: maxBufferBytes })
    sinks.push(sink)
    return sink
  }

  const file = options.path === undefined ? undefined : await openFile(options.path)
  const fileSink = file && addSink(file, createChain(key))
  if (options.hasStdout) addSink(createStdoutTarget(), createChain(key))
  const client = elasticsearch && createElasticsearch(elasticsearch)
  if (client) {
    const chain = createChain(key)
    addSink(createElasticsearchTarget(createDocumentCreation(client.client, dataStream), chain), chain)
  }
  const audit = createAuditLog(sinks, traceOf ?? callerTraceOf)
  recordEvents(log, audit.record)
  if (metrics) addMetrics(metrics, sinks)

  /** A handler besides that of the reload, because the file has to be reopened even if the configuration has a fault. */
  const reopen = () => {
    file?.reopen()
    fileSink?.retry()
  }
  if (file) process.on('SIGHUP', reopen)
  return Object.freeze<Audit>({
    recordDenials: audit.recordDenials,
    observe: hasRequests ? audit.observe : undefined,
    requireAudit: isRequired ? (handlers) => requireSinks(audit, handlers) : undefined,
    checks: isRequired ? { audit: async () => void audit.requireSinks() } : {},
    prepareReload: (next) => prepareRenewal(client, next),
    async close() {
      process.off('SIGHUP', reopen)
      await audit.close()
      void client?.close()
    },
  })
}

async function openFile(path: string): Promise<FileTarget> {
  try {
    return await openFileTarget(path)
  } catch (error) {
    throw new ConfigError([{ key: 'audit.path', ...explainFileError(error) }])
  }
}

function sinkEvents(log: Logger): SinkEvents {
  return {
    onDown: (name, reason) =>
      logEvent(log, 'audit_down', {}, `the audit log cannot be written to ${name}: ${reason}; elastauth retries`),
    onUp: (name, dropped) =>
      logEvent(log, 'audit_up', {}, `the audit log can be written to ${name} again; dropped: ${countEvents(dropped)}`),
    onLost: (name, events, reason) =>
      logEvent(log, 'audit_events_lost', {}, `the audit log (${name}) has lost ${countEvents(events)}: ${reason}`),
  }
}

function countEvents(count: number): string {
  return count === 1 ? '1 event' : `${count} events`
}

function addMetrics(metrics: Metrics, sinks: readonly Sink[]): void {
  metrics.read('elastauth_audit_events_written_total', () => sinks.map(({ name, written }) => [name, written()]))
  metrics.read('elastauth_audit_events_dropped_total', () => sinks.map(({ name, dropped }) => [name, dropped()]))
  metrics.read('elastauth_audit_sink_up', () => sinks.map(({ name, findFault }) => [name, findFault() ? 0 : 1]))
}

/**
 * Rejects every request that may cause an event. Sign-outs are not rejected, because they only take access away; probes and
 * metrics are needed to find the fault.
 */
function requireSinks(audit: AuditLog, handlers: RequestHandlers): RequestHandlers {
  const checked =
    <T>(handle: (context: RequestContext) => T) =>
    (context: RequestContext): T => {
      audit.requireSinks()
      return handle(context)
    }
  const endpoints = [...handlers.endpoints].map(([path, endpoint]): [string, Endpoint] => [
    path,
    alwaysServed.has(path) ? endpoint : { ...endpoint, handle: checked(endpoint.handle) },
  ])
  return Object.freeze({
    ...handlers,
    handle: checked(handlers.handle),
    ...(handlers.upgrade && { upgrade: checked(handlers.upgrade) }),
    endpoints: new Map(endpoints),
  })
}

const alwaysServed: ReadonlySet<string> = new Set(
  ['health', 'live', 'ready', 'metrics', 'logout', 'backchannel-logout', 'signed-out'].map(
    (name) => `/elastauth/${name}`,
  ),
)

function prepareRenewal(client: Elasticsearch | undefined, next: Config): () => void {
  return client?.prepareRenewal(auditElasticsearchOptions(next)) ?? (() => {})
}
