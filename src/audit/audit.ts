import { GatewayError } from '../http/errors.ts'
import { denialFieldsOf, type EventAction, isAudited, type RecordEvent } from '../observability/events.ts'
import { type LogRequest, requestFieldsOf, type TraceOf } from '../observability/request-log.ts'
import type { Observe } from '../proxy/observe.ts'
import { formatRecord } from './record.ts'
import { RequestObserver } from './requests.ts'
import type { Sink, SinkName } from './sink.ts'

export type AuditLog = Readonly<{
  record: RecordEvent
  /** Also records the requests that are denied. */
  recordDenials: (logRequest: LogRequest) => LogRequest
  /** Records forwarded requests. */
  observe: Observe
  /** Throws GatewayError audit_unavailable if a sink fails. */
  requireSinks: () => void
  close: () => Promise<void>
}>

/** How long the last events may take to be written. */
const closeTimeoutMs = 2000

/** Fields of the first record of a sink. */
export function describeSink(name: SinkName, keyId: string, version: string): Readonly<Record<string, string>> {
  return { 'service.version': version, 'elastauth.audit.sink': name, 'elastauth.audit.key': keyId }
}

/** Passes events on to all sinks. */
export function createAuditLog(sinks: readonly Sink[], traceOf: TraceOf): AuditLog {
  function record(fields: Readonly<Record<string, unknown>>, message: string): void {
    const body = formatRecord(fields, message)
    for (const sink of sinks) sink.accept(body)
  }

  return Object.freeze<AuditLog>({
    record,
    recordDenials: (logRequest) => (context, response, outcome) => {
      const { error } = outcome
      const event = error && denialFieldsOf(error.code)
      if (event !== undefined && isAudited(event['event.action'] as EventAction)) {
        const fields = requestFieldsOf(context, outcome, traceOf(context))
        const status = outcome.status ?? response.statusCode
        fields['http.response.status_code'] = status
        fields['event.duration'] = Math.round((performance.now() - context.startedAt) * 1e6)
        record(fields, `${fields['http.request.method']} ${fields['url.path']} ${status} ${error!.detail}`)
      }
      logRequest(context, response, outcome)
    },
    observe: (exchange) => new RequestObserver(exchange, traceOf, record),
    requireSinks() {
      for (const { name, findFault } of sinks) {
        const fault = findFault()
        if (fault !== undefined)
          throw new GatewayError('audit_unavailable', `the sink ${name} of the audit log: ${fault}`)
      }
    },
    async close() {
      await Promise.all(sinks.map((sink) => sink.close(closeTimeoutMs)))
    },
  })
}
