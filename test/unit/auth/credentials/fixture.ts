import { createCredentialCache } from '../../../../src/auth/credentials/credential-cache.ts'
import { type Credentials, createCredentials } from '../../../../src/auth/credentials/credentials.ts'
import type { LifecycleRules } from '../../../../src/auth/credentials/lifecycle.ts'
import type { CredentialEvent } from '../../../../src/auth/credentials/options.ts'
import { createKeyring } from '../../../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../../../src/auth/credentials/password-writer.ts'
import { noSharedStates, type SharedStates } from '../../../../src/auth/credentials/shared-states.ts'
import type { UserDirectory } from '../../../../src/auth/credentials/user-directory.ts'
import type { Identity } from '../../../../src/auth/identity.ts'
import { createSubject, type Subject } from '../../../../src/auth/subject.ts'
import { createFakeClock, type FakeClock } from '../../../support/fake-clock.ts'
import { createMemoryDirectory } from '../../../support/memory-directory.ts'

export const key = '0123456789abcdef'.repeat(4)
export const otherKey = 'fedcba9876543210'.repeat(4)
export const noon = Date.UTC(2026, 10, 23, 12)
export const hour = 60 * 60 * 1000
export const minute = 60 * 1000
export const pause = 1000

export function identity(more: Partial<Identity> = {}): Identity {
  return Object.freeze({ username: 'bob', groups: ['staff'], provider: 'authelia', ...more })
}

export function subject(more: Partial<Identity> = {}, roles: readonly string[] = ['reader']): Subject {
  return createSubject(identity(more), roles)
}

export type ReplicaOptions = Readonly<{
  keys?: readonly [string, ...string[]]
  rules?: Partial<LifecycleRules>
  maxEntries?: number
  states?: SharedStates
  revalidateAfterMs?: number
  /** How far this replica's wall clock is ahead of the others'. */
  clockAheadMs?: number
}>

/** The default rules of a replica. */
export const rules: LifecycleRules = {
  expirationMs: hour,
  rotationPauseMs: pause,
  extend: false,
  adoptExisting: false,
  rekey: 'allow',
  changeIntervalMs: 0,
}

/** The credentials of one elastauth process. */
export function createReplica(directory: UserDirectory, clock: FakeClock, options: ReplicaOptions = {}) {
  const events: CredentialEvent[] = []
  const accessEnded: string[] = []
  const cache = createCredentialCache(options.maxEntries ?? 100)
  const keys = createKeyring(options.keys ?? [key])
  const credentials: Credentials = createCredentials({
    directory,
    keys,
    preparePassword: createPasswordWriter({ keys, sendsHash: () => false }), // a fake clock does not wait for threads
    cache,
    states: options.states ?? noSharedStates,
    rules: { ...rules, ...options.rules },
    revalidateAfterMs: options.revalidateAfterMs ?? minute,
    now: () => clock.now() + (options.clockAheadMs ?? 0),
    monotonicNow: clock.monotonicNow,
    sleep: clock.sleep,
    report: (event) => void events.push(event),
    onAccessEnded: (username) => void accessEnded.push(username),
  })
  return Object.freeze({
    cache,
    noteChange: credentials.noteChange,
    reissue: credentials.reissue,
    deny: credentials.deny,
    close: credentials.close,
    revalidateAll: credentials.revalidateAll,
    reissueInBackground: credentials.reissueInBackground,
    events,
    /** For whom the WebSockets were checked, in order. */
    accessEnded,
    obtain: async (subject: Subject) => (await credentials.obtain(subject)).authorization,
    /** The credential itself if it is cached, otherwise a promise. */
    obtainNow: (subject: Subject) => credentials.obtain(subject),
    /** Why users were written, in order. */
    writes: () => events.flatMap((event) => (event.kind === 'written' ? [event.reason] : [])),
    revalidationFailures: () => events.filter(({ kind }) => kind === 'revalidation_failed').length,
  })
}

export function createTestBed(options: ReplicaOptions = {}) {
  const clock = createFakeClock(noon)
  const directory = createMemoryDirectory()
  return { clock, directory, ...createReplica(directory, clock, options) }
}

/** Resolves when background work has finished. */
export function runPendingTasks(clock: FakeClock): Promise<void> {
  return clock.advance(0)
}

export function passwordIn(authorization: string): string {
  return Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':')[1]!
}
