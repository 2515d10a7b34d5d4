import { accessOf, type Subject } from '../subject.ts'
import {
  isSamePassword,
  lastVersion,
  type ManagedState,
  readChangedAt,
  readGroups,
  readManagedState,
  type StoredUser,
} from './managed-user.ts'

/** How long credentials live. All times in milliseconds. */
export type LifecycleRules = Readonly<{
  /** How long a password is handed out after it was made. */
  expiration: number
  /** After a password's end, how long nobody writes the next one: requests in flight still carry the old one. */
  rotationPause: number
  /** Prolong the password of an active user instead of making a new one. */
  extend: boolean
  /** Take over users that somebody else made. */
  adoptExisting: boolean
  /** Whether a user under an unknown key may be taken over: once (`allow`) or never (`never`). */
  rekey: 'allow' | 'never'
  /** A user's roles and groups are written at most once in this time. */
  changeInterval: number
}>

export type WriteReason =
  | 'created'
  | 'taken_over'
  | 'changed'
  | 'rotated'
  | 'healed'
  | 'rekeyed'
  | 'extended'
  | 'denied'

export type Decision =
  | Readonly<{ kind: 'refuse'; code: 'user_reserved' | 'user_disabled' | 'user_foreign' | 'key_conflict' }>
  /** Nothing may be written before `until` (milliseconds since 1970); then read again and decide anew. */
  | Readonly<{ kind: 'wait'; until: number }>
  /** What is stored is right: hand out its password. */
  | Readonly<{ kind: 'adopt'; state: ManagedState }>
  /** Write the user with the password that `state` names. */
  | Readonly<{ kind: 'write'; reason: WriteReason; state: ManagedState }>

export type DecisionInput = Readonly<{
  stored: StoredUser | undefined
  subject: Pick<Subject, 'roles' | 'fingerprint' | 'access'>
  now: number
  keys: Readonly<{ currentId: string; knows: (keyId: string) => boolean }>
  rules: LifecycleRules
  /** A state whose password Elasticsearch was seen to refuse. */
  refused?: ManagedState | undefined
  /** When this process last held the user under a key of ours, in milliseconds since 1970. */
  heldAt?: number | undefined
}>

const day = 24 * 60 * 60 * 1000
/** With short passwords, a conflict lasts longer than the password: it is noticed at the next background check only. */
const minContestedMs = 60 * 60 * 1000

/**
 * The life-cycle of a credential as one pure function. Replicas that see the same stored user make the same decision,
 * and their writes hold the same password, so they need no lock. See docs/credentials.md.
 */
export function decide({ stored, subject, now, keys, rules, refused, heldAt }: DecisionInput): Decision {
  if (stored === undefined) return begin('created')
  if (stored.reserved) return { kind: 'refuse', code: 'user_reserved' }
  // A write would have to name `enabled`, and so undo what an administrator did on purpose.
  if (!stored.enabled) return { kind: 'refuse', code: 'user_disabled' }
  const state = readManagedState(stored.metadata)
  if (state === undefined) return rules.adoptExisting ? begin('taken_over') : { kind: 'refuse', code: 'user_foreign' }

  if (!keys.knows(state.key_id)) {
    // Another installation has just taken the user over: taking it back would make both replace each other's passwords endlessly.
    const isContested = heldAt !== undefined && now < heldAt + Math.max(rules.expiration, minContestedMs)
    if (isContested || rules.rekey === 'never') return { kind: 'refuse', code: 'key_conflict' }
    return next('rekeyed', state)
  }
  if (refused && isSamePassword(state, refused)) return next('healed', state)

  const end = endOf(state, rules)
  // Nobody's clock is that far ahead: the time is made up, and would let a password live for ever.
  const madeUp = state.issued_at > now + rules.expiration + day
  if (madeUp || now >= end + rules.rotationPause) return next('rotated', state)
  const rotation: Decision = { kind: 'wait', until: end + rules.rotationPause }
  if (now >= end) return rotation

  // So late a write might land after another replica's rotation and bring the old password back.
  const tooLate = now >= end - rules.rotationPause
  if (!hasAccess(stored, state, subject)) {
    if (tooLate) return rotation
    const next = nextChangeAt(stored, now, rules)
    if (now < next) return { kind: 'wait', until: next }
    return { kind: 'write', reason: 'changed', state: { ...state, fingerprint: subject.fingerprint } }
  }
  const extended = extend(state, now, rules)
  if (extended && !tooLate)
    return { kind: 'write', reason: 'extended', state: { ...extended, fingerprint: subject.fingerprint } }
  return { kind: 'adopt', state }

  function begin(reason: WriteReason): Decision {
    return beginSeries(reason, 1, { subject, now, keys, rules })
  }

  function next(reason: WriteReason, state: ManagedState): Decision {
    return nextVersion(reason, state, { subject, now, keys, rules })
  }
}

type ForNewPassword = Pick<DecisionInput, 'now' | 'keys' | 'rules'> &
  Readonly<{ subject: Pick<Subject, 'fingerprint'> }>
type WaitOrWrite = Extract<Decision, { kind: 'wait' | 'write' }>

function beginSeries(reason: WriteReason, version: number, { subject, now, keys, rules }: ForNewPassword): WaitOrWrite {
  // Replicas on both sides of midnight would derive different passwords.
  const midnight = Math.ceil((now + 1) / day) * day
  if (midnight - now <= rules.rotationPause) return { kind: 'wait', until: midnight }
  const created = new Date(now).toISOString().slice(0, 10)
  const { fingerprint } = subject
  return { kind: 'write', reason, state: { created, version, key_id: keys.currentId, issued_at: now, fingerprint } }
}

function nextVersion(reason: WriteReason, { created, version }: ManagedState, given: ForNewPassword): WaitOrWrite {
  // A new series, from a version that no series of today has reached, so that a former password is never reused.
  if (version >= lastVersion) return beginSeries(reason, Math.floor(given.now / 1000), given)
  const { subject, now, keys } = given
  const { fingerprint } = subject
  return {
    kind: 'write',
    reason,
    state: { created, version: version + 1, key_id: keys.currentId, issued_at: now, fingerprint },
  }
}

/** Whether the stored user has the subject's roles and groups. The name and the e-mail may be outdated. */
function hasAccess(
  stored: StoredUser,
  state: ManagedState,
  { roles, fingerprint, access }: DecisionInput['subject'],
): boolean {
  if (!isSameSet(stored.roles, roles)) return false
  if (state.fingerprint === fingerprint) return true
  const groups = readGroups(stored.metadata)
  return groups !== undefined && accessOf(roles, groups) === access
}

/**
 * When roles and groups may be written again. Each such write may undo an administrator's disable (docs/credentials.md),
 * and two tokens of one user that differ would cause one for each request.
 */
export function nextChangeAt({ metadata }: StoredUser, now: number, { changeInterval }: LifecycleRules): number {
  const changedAt = readChangedAt(metadata)
  const isMadeUp = changedAt === undefined || changedAt > now + changeInterval
  return isMadeUp ? now : changedAt + changeInterval
}

export type DenialDecision =
  /** There is nothing to remove, or the user is not ours. */
  | Readonly<{ kind: 'none' }>
  /** The user has been written since: the denial is outdated. */
  | Readonly<{ kind: 'superseded' }>
  | WaitOrWrite

export type DenialInput = Pick<DecisionInput, 'stored' | 'now' | 'keys' | 'rules'> &
  Readonly<{
    subject: Pick<Subject, 'fingerprint'>
    /** When the provider last sent groups without access, in milliseconds since 1970. */
    seenAt: number
  }>

/**
 * What to do about a user whose groups grant no access. A new version ends the password at once, without the rotation's pause:
 * the only requests in flight that carry it are the user's own.
 */
export function decideDenial({ stored, subject, seenAt, now, keys, rules }: DenialInput): DenialDecision {
  if (stored === undefined || stored.reserved || !stored.enabled) return { kind: 'none' }
  const state = readManagedState(stored.metadata)
  if (state === undefined || !keys.knows(state.key_id) || stored.roles.length === 0) return { kind: 'none' }
  const writtenAt = Math.max(state.issued_at, readChangedAt(stored.metadata) ?? 0)
  const isMadeUp = writtenAt > now + rules.expiration + day
  if (!isMadeUp && writtenAt > seenAt + rules.rotationPause) return { kind: 'superseded' }
  const until = nextChangeAt(stored, now, rules)
  if (now < until) return { kind: 'wait', until }
  return nextVersion('denied', state, { subject, now, keys, rules })
}

/** How long after the time at which a request would rotate the password a user counts as idle. */
export const idleGrace = 60_000

export type IdleInput = Pick<DecisionInput, 'keys' | 'rules'> &
  Readonly<{
    stored: StoredUser | undefined
    /** Selects users who became idle in this span: after `from`, up to `until`, in milliseconds since 1970. */
    from: number
    until: number
  }>

/**
 * The state whose password replaces that of an idle user: the next version. The user's next request writes the same state, so a
 * late sweep and a concurrent login derive the same password. Undefined for users that are not idle, not ours, or were idle
 * before `from`.
 */
export function decideIdle({ stored, from, until, keys, rules }: IdleInput): ManagedState | undefined {
  if (stored === undefined || stored.reserved) return undefined
  const state = readManagedState(stored.metadata)
  if (state === undefined || !keys.knows(state.key_id)) return undefined
  const idleAt = endOf(state, rules) + rules.rotationPause + idleGrace
  if (idleAt <= from || idleAt > until) return undefined
  const next = nextVersion('rotated', state, { subject: state, now: until, keys, rules })
  return next.kind === 'write' ? next.state : undefined
}

/** When the password of `state` is handed out for the last time, in milliseconds since 1970. */
export function endOf(state: ManagedState, { expiration }: LifecycleRules): number {
  const end = (state.extended_at ?? state.issued_at) + expiration
  return state.extended_at === undefined ? end : Math.min(end, state.issued_at + Math.max(day, expiration))
}

/** The state with its end pushed on, when that is wanted, due (less than half of its time is left) and still possible. */
export function extend(state: ManagedState, now: number, rules: LifecycleRules): ManagedState | undefined {
  const end = endOf(state, rules)
  if (!rules.extend || end - now >= rules.expiration / 2) return undefined
  const extended = { ...state, extended_at: now }
  return endOf(extended, rules) > end ? extended : undefined
}

/** True when both hold the same, whatever the order. */
export function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return new Set(a).symmetricDifference(new Set(b)).size === 0
}
