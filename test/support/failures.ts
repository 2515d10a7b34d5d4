import type { EventEmitter } from 'node:events'
import { resolve } from 'node:path'
import { inspect } from 'node:util'

export type Failure = Readonly<{ file: string; name: string; message: string }>

type Reported = { name: string; nesting: number; file?: string; details?: { error?: Error & { failureType?: string } } }

/** Collects the failed tests of a test run, each with the names of its suites, but not the suites that fail only because of their tests. */
export function collectFailures(events: EventEmitter): Failure[] {
  const failures: Failure[] = []
  const open = new Map<string, string[]>()
  const stderrOf = new Map<string, string>()
  events.on('test:stderr', ({ file, message }: { file: string; message: string }) => {
    stderrOf.set(file, ((stderrOf.get(file) ?? '') + message).slice(-4000))
  })
  events.on('test:start', ({ name, nesting, file = '' }: Reported) => {
    open.set(file, [...(open.get(file) ?? []).slice(0, nesting), name])
  })
  events.on('test:fail', ({ name, nesting, file = '', details }: Reported) => {
    const error = details?.error
    if (error?.failureType === 'subtestsFailed') return
    const suites = (open.get(file) ?? []).slice(0, nesting)
    const fileOutput = resolve(name) === file ? `\n${stderrOf.get(file) ?? ''}` : '' // the process of the file failed
    failures.push({ file, name: [...suites, name].join(' › '), message: inspect(error?.cause ?? error) + fileOutput })
  })
  return failures
}
