import type { Subject } from '../subject.ts'
import type { Decision, DenialDecision, WriteReason } from './lifecycle.ts'
import { isSamePassword, type ManagedState, readChangedAt, readManagedState, type StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import type { SharedRead, Unlock } from './shared-states.ts'

type WriteUserOptions = Pick<CredentialsOptions, 'directory' | 'preparePassword' | 'states' | 'now' | 'report'>

type Write = Extract<Decision, { kind: 'write' }>

export type WriteRequest = Readonly<{
  subject: Subject
  /** The user as read when `write` was decided. */
  shared: SharedRead
  stored: StoredUser | undefined
  write: Write
  /** Decides again, on the user as read just before the write. */
  decideOn: (stored: StoredUser | undefined) => Decision | DenialDecision
  insist: boolean
}>

/** `changed`, `stuck`: see `SharedStates`, nothing was written · the others: call `endTurn` when the state is remembered */
export type WriteOutcome =
  | Readonly<{ kind: 'changed' | 'stuck' }>
  | Readonly<{ kind: 'adopted' | 'written'; state: ManagedState; endTurn: Unlock }>

/** Writes that must be `changeInterval` apart. */
const spaced: readonly WriteReason[] = ['changed', 'denied']

/**
 * Carries out one decision to write: hashes the password, takes the lock, reads the user again, then writes. An administrator may
 * disable a user at any time, and "put user" enables the user (there is no compare-and-set), so no slow step may come between
 * that read and the write. Rejects with GatewayError.
 */
export type WriteUser = (request: WriteRequest) => Promise<WriteOutcome>

export function createWriteUser({ directory, preparePassword, states, now, report }: WriteUserOptions): WriteUser {
  return async function writeUser(request: WriteRequest): Promise<WriteOutcome> {
    const { subject, shared, stored, write, insist } = request
    const { username } = subject.identity
    const password = await preparePassword(username, write.state)
    const endTurn = await states.lock(username, shared, insist)
    if (typeof endTurn === 'string') return { kind: endTurn }
    const { latest, last } = await lookAgain(request, endTurn)
    if (last.kind === 'adopt') return { kind: 'adopted', state: last.state, endTurn }
    if (last.kind !== 'write' || !isSamePassword(last.state, write.state)) {
      await endTurn(undefined)
      return { kind: 'changed' }
    }
    const { reason, state } = last
    await directory.put(username, { ...password, ...profileToWrite(subject, { state, reason }, latest) })
    report({
      ...{ kind: 'written', reason, username, version: state.version },
      ...(reason === 'rekeyed' && { keyIds: { former: keyIdIn(stored), current: state.key_id } }),
    })
    return { kind: 'written', state, endTurn }
  }

  /** A user that did not exist cannot have been disabled. */
  async function lookAgain({ subject, stored, write, decideOn }: WriteRequest, endTurn: Unlock) {
    if (stored === undefined) return { latest: undefined, last: write }
    try {
      const latest = await directory.get(subject.identity.username)
      return { latest, last: decideOn(latest) }
    } catch (error) {
      await endTurn(undefined) // nothing was written
      throw error
    }
  }

  function profileToWrite(
    { identity, roles }: Subject,
    { state, reason }: Readonly<{ state: ManagedState; reason: WriteReason }>,
    stored: StoredUser | undefined,
  ) {
    const changedAt = spaced.includes(reason) ? now() : readChangedAt(stored?.metadata ?? {})
    return {
      roles,
      full_name: identity.name ?? null,
      email: identity.email ?? null,
      metadata: {
        ...stored?.metadata,
        groups: identity.groups,
        elastauth: { ...state, ...(changedAt !== undefined && { changed_at: changedAt }) },
      },
    }
  }
}

/** The id of a stored user's key, sanitized for the log: users with the right to write metadata can put anything there. */
export function keyIdIn(stored: StoredUser | undefined): string {
  const { key_id = '' } = readManagedState(stored?.metadata ?? {}) ?? {}
  return /^[0-9a-f]{8}$/.test(key_id) ? key_id : '(malformed)'
}
