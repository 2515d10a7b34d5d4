import { boundLine } from '../observability/bound-line.ts'
import { formatTime } from '../observability/format-time.ts'

/**
 * The maximum size of a record before `Chain.seal`, so that a line fits into an atomic write to a pipe
 * (observability/log-output.ts).
 */
const maxBodyBytes = 3900

/** The records that the audit log writes about itself, by their `event.action`. */
export type OwnAction = 'audit_started' | 'audit_events_dropped' | 'audit_stopped'

const types: Readonly<Record<OwnAction, string>> = {
  audit_started: 'start',
  audit_events_dropped: 'info',
  audit_stopped: 'end',
}

/** @returns a JSON object without its closing brace. Its longest texts are cut if it is too long. */
export function formatRecord(fields: Readonly<Record<string, unknown>>, message: string): string {
  // The first three fields stay out of the object, because copying fields into a new object is fast only if they come first.
  const start = `{"@timestamp":"${formatTime(Date.now())}","ecs.version":"8.17","service.name":"elastauth"`
  const text = `${start},${JSON.stringify({ ...fields, message }).slice(1)}`
  return boundLine(text, maxBodyBytes).trimEnd().slice(0, -1)
}

export function formatOwnRecord(action: OwnAction, fields: Readonly<Record<string, unknown>>, message: string): string {
  const event = {
    'event.kind': 'event',
    'event.category': ['process'],
    'event.type': [types[action]],
    'event.action': action,
    'event.outcome': action === 'audit_events_dropped' ? 'failure' : 'success',
  }
  return formatRecord({ ...event, ...fields }, message)
}
