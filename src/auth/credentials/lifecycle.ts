import { accessOf, type Subject } from '../subject.ts'
import {
  hasRetentionMark,
  isSamePassword,
  keepNotBefore,
  lastVersion,
  type ManagedState,
  readChangedAt,
  readGroups,
  readManagedState,
  readNotBefore,
  type StoredUser,
} from './managed-user.ts'

/** The configured rules of the credential life-cycle. */
export type LifecycleRules = Readonly<{
  /** How long a password is handed out after it was issued. */
  expirationMs: number
  /**
   * The next password is written only this long after the previous one has expired, because requests in flight still use the
   * previous one.
   */
  rotationPauseMs: number
  /** Extend the password of an active user instead of issuing a new one. */
  extend: boolean
  /** Take over users that elastauth did not create. */
  adoptExisting: boolean
  /**
   * Whether a user whose password was derived from an unknown key may be taken over. Even `allow` rejects a user that this
   * process owned recently.
   */
  rekey: 'allow' | 'never'
  /** A user's roles and groups are written at most once in this time. */
  changeIntervalMs: number
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
  | 'revoked'
  | 'enabled'
  | 'disabled_idle'

export type RejectionCode = 'user_reserved' | 'user_disabled' | 'user_foreign' | 'key_conflict' | 'revoked'

export type Decision =
  | Readonly<{ kind: 'reject'; code: RejectionCode }>
  /** Write nothing before `until` (milliseconds since 1970), then read the user and decide again. */
  | Readonly<{ kind: 'wait'; until: number }>
  /** The stored user matches the subject: hand out the password that `state` identifies. */
  | Readonly<{ kind: 'adopt'; state: ManagedState }>
  /**
   * Write the user with the password that `state` identifies. `hasRetentionMark`: as disabled by `user_retention`.
   */
  | Readonly<{ kind: 'write'; reason: WriteReason; state: ManagedState; enabled?: false; hasRetentionMark?: true }>

export type DecisionInput = Readonly<{
  stored: StoredUser | undefined
  subject: Pick<Subject, 'roles' | 'fingerprint' | 'access' | 'authenticatedAt'>
  now: number
  keys: Readonly<{ currentId: string; knows: (keyId: string) => boolean }>
  rules: LifecycleRules
  /** A state whose password Elasticsearch has rejected. */
  rejected?: ManagedState | undefined
  /** When this process last read or wrote the user under a known key, in milliseconds since 1970. */
  lastOwnedAt?: number | undefined
}>

const dayMs = 24 * 60 * 60 * 1000
/** A user counts as owned for at least this long, so that a key conflict is detected even if `expirationMs` is short. */
const minConflictWindowMs = 60 * 60 * 1000

/**
 * The credential life-cycle as one pure function, in which the first rule that applies decides. Replicas that read the same
 * user make the same decision and write the same password, so concurrent writes are safe. See docs/credentials.md.
 */
export function decide(input: DecisionInput): Decision {
  const { stored, rules } = input
  if (stored === undefined) return startSeries('created', 1, input)
  if (stored.reserved) return reject('user_reserved')
  const state = readManagedState(stored.metadata)
  const hasOurMark = state !== undefined && input.keys.knows(state.key_id) && hasRetentionMark(stored, state)
  // Every write sets `enabled`, so it would re-enable a user that an administrator has disabled.
  if (!stored.enabled && !hasOurMark) return reject('user_disabled')
  if (isRevoked(input.subject, readNotBefore(stored.metadata))) return reject('revoked')
  if (state === undefined) return rules.adoptExisting ? startSeries('taken_over', 1, input) : reject('user_foreign')
  if (hasOurMark) return nextVersion('enabled', state, input)
  return (
    decideUnknownKey(state, input) ??
    decideRejectedPassword(state, input) ??
    decideExpiry(state, input) ??
    decideChange(stored, state, input) ??
    decideExtension(state, input) ?? { kind: 'adopt', state }
  )
}

function reject(code: RejectionCode): Decision {
  return { kind: 'reject', code }
}

/** Whether the user signed in, or got the token, before the last revocation. */
export function isRevoked(
  { authenticatedAt }: Pick<Subject, 'authenticatedAt'>,
  notBefore: number | undefined,
): boolean {
  return notBefore !== undefined && authenticatedAt < notBefore
}

function decideUnknownKey(state: ManagedState, input: DecisionInput): Decision | undefined {
  const { now, keys, rules, lastOwnedAt } = input
  if (keys.knows(state.key_id)) return undefined
  // Another installation has just taken over the user. Taking the user back would make both installations replace each other's
  // passwords endlessly.
  const isConflict = lastOwnedAt !== undefined && now < lastOwnedAt + Math.max(rules.expirationMs, minConflictWindowMs)
  if (isConflict || rules.rekey === 'never') return reject('key_conflict')
  return nextVersion('rekeyed', state, input)
}

function decideRejectedPassword(state: ManagedState, input: DecisionInput): Decision | undefined {
  const isRejected = input.rejected !== undefined && isSamePassword(state, input.rejected)
  return isRejected ? nextVersion('healed', state, input) : undefined
}

function decideExpiry(state: ManagedState, input: DecisionInput): Decision | undefined {
  const { now, rules } = input
  const expiry = expiryOf(state, rules)
  if (isImplausible(state.issued_at, now, rules) || now >= expiry + rules.rotationPauseMs)
    return nextVersion('rotated', state, input)
  return now >= expiry ? waitForRotation(state, rules) : undefined
}

/** A change of only the name or the email address causes no write. */
function decideChange(stored: StoredUser, state: ManagedState, input: DecisionInput): Decision | undefined {
  const { subject, now, rules } = input
  if (hasAccess(stored, state, subject)) return undefined
  if (isTooLateToWrite(state, now, rules)) return waitForRotation(state, rules)
  const until = nextChangeAt(stored, now, rules)
  if (now < until) return { kind: 'wait', until }
  return { kind: 'write', reason: 'changed', state: { ...state, fingerprint: subject.fingerprint } }
}

function decideExtension(state: ManagedState, { subject, now, rules }: DecisionInput): Decision | undefined {
  const extended = extendIfDue(state, now, rules)
  if (extended === undefined || isTooLateToWrite(state, now, rules)) return undefined
  return { kind: 'write', reason: 'extended', state: { ...extended, fingerprint: subject.fingerprint } }
}

function waitForRotation(state: ManagedState, rules: LifecycleRules): Decision {
  return { kind: 'wait', until: expiryOf(state, rules) + rules.rotationPauseMs }
}

/** A write this close to the expiry could arrive after another replica's rotation and restore the old password. */
function isTooLateToWrite(state: ManagedState, now: number, rules: LifecycleRules): boolean {
  return now >= expiryOf(state, rules) - rules.rotationPauseMs
}

/**
 * No replica's clock is that far ahead, so elastauth cannot have written `time`. Accepting it would keep a password valid
 * indefinitely.
 */
function isImplausible(time: number, now: number, { expirationMs }: LifecycleRules): boolean {
  return time > now + expirationMs + dayMs
}

let today = ''

/** The UTC day of a time. One string per day, because the cached state of each user has it. */
function utcDay(now: number): string {
  const day = new Date(now).toISOString().slice(0, 10)
  if (day !== today) today = day
  return today
}

type NewPasswordInput = Pick<DecisionInput, 'stored' | 'now' | 'keys' | 'rules'> &
  Readonly<{ subject: Pick<Subject, 'fingerprint'> }>
export type WaitOrWrite = Extract<Decision, { kind: 'wait' | 'write' }>

function startSeries(reason: WriteReason, version: number, input: NewPasswordInput): WaitOrWrite {
  const { stored, subject, now, keys, rules } = input
  // Passwords depend on the UTC day, so replicas whose clocks show different days would derive different passwords.
  const midnight = Math.ceil((now + 1) / dayMs) * dayMs
  if (midnight - now <= rules.rotationPauseMs) return { kind: 'wait', until: midnight }
  const created = utcDay(now)
  const { fingerprint } = subject
  const revocation = keepNotBefore(stored && readNotBefore(stored.metadata))
  const state = { created, version, key_id: keys.currentId, issued_at: now, ...revocation, fingerprint }
  return { kind: 'write', reason, state }
}

export function nextVersion(
  reason: WriteReason,
  { created, version, not_before }: ManagedState,
  input: NewPasswordInput,
): WaitOrWrite {
  // The version of a new series starts at the Unix time in seconds. No earlier series of the day has reached that number, so
  // passwords do not repeat.
  if (version >= lastVersion) return startSeries(reason, Math.floor(input.now / 1000), input)
  const { subject, now, keys } = input
  const { fingerprint } = subject
  return {
    kind: 'write',
    reason,
    state: {
      ...{ created, version: version + 1, key_id: keys.currentId, issued_at: now },
      ...keepNotBefore(not_before),
      fingerprint,
    },
  }
}

/** Whether the stored user has the subject's roles and groups. The name and the email address may be outdated. */
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
 * When a change of roles and groups may be written again. Without this limit, two tokens of a user with different groups would
 * cause a write per request, and every write may re-enable a disabled user (docs/credentials.md).
 */
export function nextChangeAt({ metadata }: StoredUser, now: number, { changeIntervalMs }: LifecycleRules): number {
  const changedAt = readChangedAt(metadata)
  const isUsable = changedAt !== undefined && changedAt <= now + changeIntervalMs
  return isUsable ? changedAt + changeIntervalMs : now
}

export type DenialDecision =
  /** There are no roles to remove, or elastauth does not manage the user. */
  | Readonly<{ kind: 'none' }>
  /** The user was written after the denial, so the denial is outdated. */
  | Readonly<{ kind: 'superseded' }>
  | WaitOrWrite

export type DenialInput = Pick<DecisionInput, 'stored' | 'now' | 'keys' | 'rules'> &
  Readonly<{
    subject: Pick<Subject, 'fingerprint'>
    /** When the provider last sent groups without access, in milliseconds since 1970. */
    deniedAt: number
  }>

/**
 * Decides what to do about a user whose groups grant no access. The password is replaced without a rotation pause, because only
 * requests of the denied user still use it.
 */
export function decideDenial({ stored, subject, deniedAt, now, keys, rules }: DenialInput): DenialDecision {
  if (stored === undefined || stored.reserved || !stored.enabled) return { kind: 'none' }
  const state = readManagedState(stored.metadata)
  if (state === undefined || !keys.knows(state.key_id) || stored.roles.length === 0) return { kind: 'none' }
  const writtenAt = Math.max(state.issued_at, readChangedAt(stored.metadata) ?? 0)
  if (!isImplausible(writtenAt, now, rules) && writtenAt > deniedAt + rules.rotationPauseMs)
    return { kind: 'superseded' }
  const until = nextChangeAt(stored, now, rules)
  if (now < until) return { kind: 'wait', until }
  return nextVersion('denied', state, { stored, subject, now, keys, rules })
}

export type RevocationInput = Pick<DecisionInput, 'now' | 'keys' | 'rules'> &
  Readonly<{
    stored: StoredUser
    /** The time of the revocation, in milliseconds since 1970. */
    notBefore: number
    /** Whether to disable the user as well. */
    disable: boolean
  }>

/**
 * Decides how to revoke a managed user under a known key; undefined if the user is revoked already. The new password is not
 * handed out to sign-ins and tokens from before `notBefore`. `issued_at` stays, because a revocation is not a sign-in.
 */
export function decideRevocation(input: RevocationInput): WaitOrWrite | undefined {
  const { stored, notBefore, disable, now, keys, rules } = input
  const state = readManagedState(stored.metadata)!
  // A later time is malformed, or of a machine whose clock was far ahead.
  const latest = Math.max(now, notBefore)
  const isRevoked = state.not_before !== undefined && state.not_before >= notBefore && state.not_before <= latest
  // With the mark of `user_retention`, the next sign-in would enable the user.
  const isMarked = !stored.enabled && hasRetentionMark(stored, state)
  if (isRevoked && !(disable && (stored.enabled || isMarked))) return undefined
  const next = nextVersion('revoked', state, { stored, subject: state, now, keys, rules })
  if (next.kind === 'wait') return next
  const { issued_at, extended_at } = state
  const times = { issued_at, ...(extended_at !== undefined && { extended_at }), not_before: notBefore }
  return {
    ...next,
    state: { ...next.state, ...times },
    ...((disable || !stored.enabled) && { enabled: false }),
    ...(isMarked && !disable && { hasRetentionMark: true }),
  }
}

/** The clocks of machines may differ by this much. */
const clockToleranceMs = 5 * 60_000

/**
 * The time of a revocation, in milliseconds since 1970. If the clock of this machine is behind, it would not revoke sign-ins that a
 * replica has just accepted, and would withdraw a revocation of another machine: the time is later than both.
 */
export function timeOfRevocation({ issued_at, extended_at = 0, not_before = 0 }: ManagedState, now: number): number {
  const later = [issued_at, extended_at, not_before].filter((time) => time > now && time <= now + clockToleranceMs)
  return Math.max(now, ...later.map((time) => time + 1))
}

/** Decides how to enable a managed user under a known key; undefined if the user is enabled. */
export function decideEnabling({
  stored,
  now,
  keys,
  rules,
}: Omit<RevocationInput, 'notBefore' | 'disable'>): WaitOrWrite | undefined {
  if (stored.enabled) return undefined
  const state = readManagedState(stored.metadata)!
  return nextVersion('enabled', state, { stored, subject: state, now, keys, rules })
}

/** A user counts as idle this long after a request would have rotated the password. */
export const idleGraceMs = 60_000

export type IdleInput = Pick<DecisionInput, 'keys' | 'rules'> &
  Readonly<{
    stored: StoredUser | undefined
    /** Selects users who became idle in this span: after `from`, up to `until`, in milliseconds since 1970. */
    from: number
    until: number
  }>

/**
 * Returns the next version of an idle user's state, or undefined if elastauth does not manage the user or the user did not
 * become idle in the span. A request of the user would write the same version, so a sweep and a concurrent login derive the
 * same password.
 */
export function decideIdle({ stored, from, until, keys, rules }: IdleInput): ManagedState | undefined {
  if (stored === undefined || stored.reserved) return undefined
  const state = readManagedState(stored.metadata)
  if (state === undefined || !keys.knows(state.key_id)) return undefined
  const idleAt = expiryOf(state, rules) + rules.rotationPauseMs + idleGraceMs
  if (idleAt <= from || idleAt > until) return undefined
  const next = nextVersion('rotated', state, { stored, subject: state, now: until, keys, rules })
  return next.kind === 'write' ? next.state : undefined
}

/** The time from which the password of `state` is no longer handed out, in milliseconds since 1970. */
export function expiryOf(state: ManagedState, { expirationMs }: LifecycleRules): number {
  const expiry = (state.extended_at ?? state.issued_at) + expirationMs
  return state.extended_at === undefined ? expiry : Math.min(expiry, state.issued_at + Math.max(dayMs, expirationMs))
}

/**
 * Returns the state with a later expiry if less than half of `expirationMs` is left; undefined if not, or if the password
 * cannot be extended.
 */
export function extendIfDue(state: ManagedState, now: number, rules: LifecycleRules): ManagedState | undefined {
  const expiry = expiryOf(state, rules)
  if (!rules.extend || expiry - now >= rules.expirationMs / 2) return undefined
  const extended = { ...state, extended_at: now }
  return expiryOf(extended, rules) > expiry ? extended : undefined
}

/** True if both contain the same elements, in any order. */
export function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return new Set(a).symmetricDifference(new Set(b)).size === 0
}
