import { GatewayError } from '../../http/errors.ts'
import type { Subject } from '../subject.ts'
import type { Decision, DenialDecision, WriteReason } from './lifecycle.ts'
import {
  isSamePassword,
  type ManagedState,
  readChangedAt,
  readGroups,
  readManagedState,
  type StoredUser,
} from './managed-user.ts'
import type { Access, CredentialsOptions } from './options.ts'
import type { RetentionDecision } from './retention/decide-retention.ts'
import type { SharedRead, Unlock } from './shared-states.ts'

type WriteUserOptions = Pick<CredentialsOptions, 'directory' | 'preparePassword' | 'states' | 'now' | 'report'>

type WriteDecision = Extract<Decision, { kind: 'write' }>

export type WriteRequest = Readonly<{
  subject: Pick<Subject, 'identity' | 'roles'>
  /** The user as read when `write` was decided. */
  shared: SharedRead
  stored: StoredUser | undefined
  write: WriteDecision
  /** Makes the decision again, for the user as read just before the write. */
  decideOn: (stored: StoredUser | undefined) => Decision | DenialDecision | RetentionDecision | undefined
  /** See `LockRequest`. */
  force: boolean
}>

/** After `changed` and `timed_out` (see `SharedStates`) nothing was written. Otherwise call `unlock` once the state is cached. */
export type WriteOutcome =
  | Readonly<{ kind: 'changed' | 'timed_out' }>
  | Readonly<{ kind: 'adopted' | 'written'; state: ManagedState; unlock: Unlock }>

/**
 * Carries out a write decision: hashes the password, takes the lock, reads the user again, then writes. "put user" would
 * re-enable a user that an administrator has disabled since the read, so no slow step may come between the two. Rejects with
 * GatewayError.
 */
export type WriteUser = (request: WriteRequest) => Promise<WriteOutcome>

export function createWriteUser({ directory, preparePassword, states, now, report }: WriteUserOptions): WriteUser {
  return async function writeUser(request: WriteRequest): Promise<WriteOutcome> {
    const { subject, shared, stored, write, force } = request
    const { username } = subject.identity
    const password = await preparePassword(username, write.state)
    const unlock = await states.lock({ username, read: shared, force })
    if (typeof unlock === 'string') return { kind: unlock }
    const { latest, decision } = await decideAgain(request, unlock)
    if (decision?.kind === 'adopt') return { kind: 'adopted', state: decision.state, unlock }
    if (decision?.kind !== 'write' || !isSamePassword(decision.state, write.state)) {
      await unlock(undefined)
      return { kind: 'changed' }
    }
    const { reason, state, enabled, hasRetentionMark } = decision
    const changedAt = rateLimitedReasons.includes(reason) ? now() : readChangedAt(latest?.metadata ?? {})
    const elastauth = {
      ...state,
      ...(changedAt !== undefined && { changed_at: changedAt }),
      ...(hasRetentionMark && { disabled_idle: state.version }),
    }
    const profile = profileOf(subject, latest, elastauth)
    await directory.put(username, { ...password, ...profile, ...(enabled === false && { enabled }) })
    report({
      ...{ kind: 'written', reason, username, version: state.version },
      access: {
        former: latest && accessOf(latest),
        current: { roles: subject.roles, groups: subject.identity.groups },
      },
      ...(reason === 'rekeyed' && { keyIds: { former: keyIdIn(stored), current: state.key_id } }),
    })
    return { kind: 'written', state, unlock }
  }

  async function decideAgain({ subject, stored, write, decideOn }: WriteRequest, unlock: Unlock) {
    // A user that did not exist cannot have been disabled, so the user is not read again.
    if (stored === undefined) return { latest: undefined, decision: write }
    try {
      const latest = await directory.get(subject.identity.username)
      return { latest, decision: decideOn(latest) }
    } catch (error) {
      await unlock(undefined) // nothing was written
      throw error
    }
  }
}

function accessOf({ roles, metadata }: StoredUser): Access {
  return { roles, groups: readGroups(metadata) ?? [] }
}

/** The subject of a write that keeps the roles, groups, name and email address of the user. */
export function subjectOf(username: string, stored: StoredUser): WriteRequest['subject'] {
  const { roles, full_name, email, metadata } = stored
  const profile = { ...(full_name && { name: full_name }), ...(email && { email }) }
  return { roles, identity: { username, groups: readGroups(metadata) ?? [], ...profile, provider: 'elastauth' } }
}

/**
 * Maximum number of decisions before giving up. Two are usual (wait, then write); more are needed only while something else
 * writes the user.
 */
export const maxSteps = 8

/** The error after `maxSteps` decisions. */
export function userKeepsChanging(): GatewayError {
  const detail = `the user changed during each of ${maxSteps} attempts; check what else writes this user in Elasticsearch`
  return new GatewayError('elasticsearch_unavailable', detail)
}

/** Writes that must be `changeIntervalMs` apart. */
const rateLimitedReasons: readonly WriteReason[] = ['changed', 'denied']

function profileOf(
  { identity, roles }: WriteRequest['subject'],
  stored: StoredUser | undefined,
  elastauth: ManagedState,
) {
  return {
    roles,
    full_name: identity.name ?? null,
    email: identity.email ?? null,
    metadata: { ...stored?.metadata, groups: identity.groups, elastauth },
  }
}

/**
 * The key id in a stored user's metadata. Sanitized for the log, because anyone who may write users in Elasticsearch can store
 * any text there.
 */
export function keyIdIn(stored: StoredUser | undefined): string {
  const { key_id = '' } = readManagedState(stored?.metadata ?? {}) ?? {}
  return /^[0-9a-f]{8}$/.test(key_id) ? key_id : '(malformed)'
}
