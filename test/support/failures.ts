import type { EventEmitter } from 'node:events'
import { resolve } from 'node:path'
import { inspect } from 'node:util'

export type Failure = Readonly<{ file: string; name: string; message: string }>

type Reported = { name: string; nesting: number; file?: string; details?: { error?: Error & { failureType?: string } } }

/** The failed tests of a test run's events, each with the names of its suites; a suite that fails only because of its tests is not listed. */
export function collectFailures(events: EventEmitter): Failure[] {
  const failures: Failure[] = []
  const open = new Map<string, string[]>()
  const complaints = new Map<string, string>()
  events.on('test:stderr', ({ file, message }: { file: string; message: string }) => {
    complaints.set(file, ((complaints.get(file) ?? '') + message).slice(-4000))
  })
  events.on('test:start', ({ name, nesting, file = '' }: Reported) => {
    open.set(file, [...(open.get(file) ?? []).slice(0, nesting), name])
  })
  events.on('test:fail', ({ name, nesting, file = '', details }: Reported) => {
    const error = details?.error
    if (error?.failureType === 'subtestsFailed') return
    const suites = (open.get(file) ?? []).slice(0, nesting)
    const whole = resolve(name) === file ? `\n${complaints.get(file) ?? ''}` : '' // a file that ended by itself
    failures.push({ file, name: [...suites, name].join(' › '), message: inspect(error?.cause ?? error) + whole })
  })
  return failures
}
