import { LRUCache } from 'lru-cache'
import { createConcurrencyLimit } from '../../async/concurrency-limit.ts'
import { GatewayError } from '../../http/errors.ts'
import type { Identity } from '../identity.ts'
import { createSubject, type Subject } from '../subject.ts'
import { type DenialDecision, decideDenial } from './lifecycle.ts'
import type { StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import { encodeState } from './shared-entry.ts'
import { createWriteUser } from './write-user.ts'

/** Maximum of users remembered as denied, and of users with a pending denial. */
const maxRemembered = 10_000
const maxPending = 10_000
/** Concurrent denials: requests share the connections to Elasticsearch. */
const maxRunning = 8
const [firstRetryMs, maxRetryMs] = [1000, 30_000]
/** See settle.ts. */
const maxSteps = 8

type DenialsOptions = Pick<
  CredentialsOptions,
  | 'directory'
  | 'keys'
  | 'preparePassword'
  | 'cache'
  | 'states'
  | 'rules'
  | 'revalidate'
  | 'now'
  | 'monotonicNow'
  | 'report'
> &
  Readonly<{
    /** Waits without keeping the process alive. */
    pause: (milliseconds: number) => Promise<void>
    /** Runs a task while no other task in this process writes the user. */
    alone: <T>(username: string, task: () => Promise<T>) => Promise<T>
  }>

export type Denials = Readonly<{
  /** The groups of this identity grant no access. Never throws, and returns at once. */
  deny: (identity: Identity) => void
  /** The user was let in. @param wasRead whether Elasticsearch or the shared cache was read for that */
  allow: (username: string, wasRead: boolean) => void
  /** Another replica has written the user. */
  noteChange: (username: string, stateId: string) => void
  close: () => void
}>

type Attempt = Readonly<{ at: number; isDenied: boolean; stateId: string }>
type Pending = {
  identity: Identity
  seenAt: number
  allowedAt: number
  /** News of the user since the attempt began: it may be newer than the attempt's read. */
  heard?: string | undefined
}

/**
 * Removes the access of users whose groups no longer grant any: no roles, and a password that was never handed out. At most one
 * read and one write per user in `rules.changeInterval`, in the background, retried until done.
 */
export function createDenials(options: DenialsOptions): Denials {
  const { directory, keys, cache, states, rules, revalidate, now, monotonicNow, pause, alone, report } = options
  const writeUser = createWriteUser(options)
  const attempts = new LRUCache<string, Attempt>({ max: maxRemembered })
  const pending = new Map<string, Pending>()
  const limitConcurrency = createConcurrencyLimit({ maxConcurrent: maxRunning })
  let isClosed = false

  function deny(identity: Identity): void {
    const { username } = identity
    const last = attempts.get(username)
    if (last?.isDenied && monotonicNow() < last.at + revalidate) return
    const known = pending.get(username)
    if (known) {
      known.identity = identity
      known.seenAt = now()
      return
    }
    if (isClosed) return
    if (pending.size >= maxPending) {
      report({ kind: 'denial_dropped', username })
      return
    }
    const entry: Pending = { identity, seenAt: now(), allowedAt: 0 }
    pending.set(username, entry)
    void carryOut(username, entry, last)
  }

  /** Never rejects. */
  async function carryOut(username: string, entry: Pending, last: Attempt | undefined): Promise<void> {
    if (last) await waitFor(last.at + rules.changeInterval - monotonicNow())
    for (let failures = 0; !isClosed && entry.allowedAt <= entry.seenAt; ) {
      try {
        const { identity, seenAt } = entry
        const subject = createSubject(identity, [])
        entry.heard = undefined
        const outcome = await limitConcurrency(() => alone(username, () => attempt(subject, seenAt)))
        const stateId = outcome.kind === 'write' ? encodeState(outcome.state) : ''
        const isNews = entry.heard !== undefined && entry.heard !== stateId
        const isDenied = !isNews && (outcome.kind === 'none' || outcome.kind === 'write')
        attempts.set(username, { at: monotonicNow(), isDenied, stateId })
        // The user was let in since, but may have been denied again during the attempt.
        const isSeenAgain = outcome.kind === 'superseded' && entry.seenAt > seenAt
        if (outcome.kind !== 'wait' && !isSeenAgain) break
        await waitFor(outcome.kind === 'wait' ? outcome.until - now() : rules.changeInterval)
      } catch (error) {
        if (failures === 0) report({ kind: 'denial_failed', username, error })
        await pause(Math.min(firstRetryMs * 2 ** failures++, maxRetryMs))
      }
    }
    pending.delete(username)
  }

  async function waitFor(milliseconds: number): Promise<void> {
    if (milliseconds > 0) await pause(Math.min(milliseconds, 2 * rules.changeInterval))
  }

  /** @returns the last decision, after carrying out a write. Rejects with GatewayError. */
  async function attempt(subject: Subject, seenAt: number): Promise<DenialDecision> {
    const { username } = subject.identity
    const decideOn = (stored: StoredUser | undefined) =>
      decideDenial({ stored, subject, seenAt, now: now(), keys, rules })
    let insist = false
    for (let step = 0; step < maxSteps; step++) {
      const shared = await states.read(username)
      const stored = await directory.get(username)
      const write = decideOn(stored)
      if (write.kind !== 'write') {
        if (write.kind === 'none') cache.delete(username) // another replica may have denied the user
        return write
      }
      cache.delete(username)
      const outcome = await writeUser({ subject, shared, stored, write, decideOn, insist })
      insist = outcome.kind === 'stuck'
      if (outcome.kind !== 'written') continue
      cache.delete(username)
      await outcome.endTurn(outcome.state)
      return { ...write, state: outcome.state }
    }
    throw new GatewayError('elasticsearch_unavailable', `the user kept changing for ${maxSteps} steps`)
  }

  function allow(username: string, wasRead: boolean): void {
    const entry = pending.size > 0 ? pending.get(username) : undefined
    if (entry) entry.allowedAt = now()
    if (wasRead) forget(username)
  }

  function noteChange(username: string, stateId: string): void {
    const entry = pending.get(username)
    if (entry) entry.heard = stateId
    if (attempts.peek(username)?.stateId !== stateId) forget(username)
  }

  /** The result of the last attempt is outdated, but its time still limits the rate. */
  function forget(username: string): void {
    const last = attempts.peek(username)
    if (last?.isDenied) attempts.set(username, { ...last, isDenied: false })
  }

  return Object.freeze({
    deny,
    allow,
    noteChange,
    close() {
      isClosed = true
    },
  })
}
