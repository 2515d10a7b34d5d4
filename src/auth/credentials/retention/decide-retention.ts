import { type DecisionInput, expiryOf, nextVersion } from '../lifecycle.ts'
import { hasRetentionMark, type ManagedState, readManagedState } from '../managed-user.ts'

/** `user_retention`: when inactive users are disabled and deleted, counted from the expiry of the last password. Undefined: never. */
export type RetentionRules = Readonly<{
  disableAfterMs: number | undefined
  deleteAfterMs: number | undefined
  invalidateApiKeys: boolean
}>

export type RetentionDecision =
  | Readonly<{ kind: 'none' | 'delete' }>
  | Readonly<{ kind: 'write'; reason: 'disabled_idle'; state: ManagedState; enabled: false; hasRetentionMark: true }>
  | Readonly<{ kind: 'write'; reason: 'enabled'; state: ManagedState; enabled?: never; hasRetentionMark?: never }>

export type RetentionInput = Pick<DecisionInput, 'stored' | 'now' | 'keys' | 'rules'> &
  Readonly<{ retention: RetentionRules }>

const none: RetentionDecision = Object.freeze({ kind: 'none' })

/**
 * Decides whether an inactive user is disabled or deleted. A user without our mark whom something else has disabled is never
 * written or deleted: the person could then sign in as a new, enabled user. An enabled user with our mark was enabled by an
 * administrator: the mark is removed, so that a later disable by an administrator is not mistaken for ours, and the user counts as
 * used now.
 */
export function decideRetention(input: RetentionInput): RetentionDecision {
  const { stored, now, keys, rules, retention } = input
  if (stored === undefined || stored.reserved) return none
  const state = readManagedState(stored.metadata)
  if (state === undefined || !keys.knows(state.key_id)) return none
  const hasMark = hasRetentionMark(stored, state)
  if (stored.enabled && hasMark) return enable(state, input)
  if (!stored.enabled && !hasMark) return none
  if (isCorrupt(state)) return none
  const inactiveMs = now - expiryOf(state, rules)
  const { disableAfterMs = Number.POSITIVE_INFINITY, deleteAfterMs = Number.POSITIVE_INFINITY } = retention
  // A revocation is deleted with the user: former sessions and tokens must have ended.
  const isRevocationKept = state.not_before !== undefined && now - state.not_before < deleteAfterMs
  if (inactiveMs >= deleteAfterMs && !isRevocationKept) return { kind: 'delete' }
  if (!stored.enabled || inactiveMs < disableAfterMs) return none
  return disable(state, input)
}

/** Whether elastauth cannot have written the times, so that they say nothing about the last use (see `readManagedState`). */
function isCorrupt({ issued_at, extended_at }: ManagedState): boolean {
  return issued_at === 0 || extended_at === 0
}

function enable(state: ManagedState, input: RetentionInput): RetentionDecision {
  const next = nextVersion('enabled', state, { ...input, subject: state })
  return next.kind === 'write' ? { kind: 'write', reason: 'enabled', state: next.state } : none
}

/** `issued_at` stays the time of the last use, from which the time until the user is deleted is counted. */
function disable(state: ManagedState, input: RetentionInput): RetentionDecision {
  const next = nextVersion('disabled_idle', state, { ...input, subject: state })
  if (next.kind !== 'write') return none
  const issued_at = Math.max(state.issued_at, state.extended_at ?? 0)
  return {
    kind: 'write',
    reason: 'disabled_idle',
    state: { ...next.state, issued_at },
    enabled: false,
    hasRetentionMark: true,
  }
}
