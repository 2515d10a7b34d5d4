import { GatewayError } from '../../http/errors.ts'
import type { Subject } from '../subject.ts'
import { decide, expiryOf, extendIfDue, isRevoked, type LifecycleRules, type RejectionCode } from './lifecycle.ts'
import { type ManagedState, readNotBefore, type StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import type { Unlock } from './shared-states.ts'
import { createWriteUser, keyIdIn, type WriteOutcome } from './write-user.ts'

type ReconcileStepOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'preparePassword' | 'cache' | 'states' | 'rules' | 'now' | 'sleep' | 'report' | 'onAccessEnded'
>

export type ReconcileStepRequest = Readonly<{
  subject: Subject
  /** A state whose password Elasticsearch has rejected. */
  rejected: ManagedState | undefined
  /** See `DecisionInput`. */
  lastOwnedAt: number | undefined
  /** See `LockRequest`. */
  force: boolean
}>

/** `unlock` is set after a write. Call `unlock` once the state is cached: it releases the lock and notifies the other replicas. */
export type Reconciled = Readonly<{ state: ManagedState; unlock?: Unlock }>

/** Why the user has to be read again after a step. */
export type Unfinished = 'waited' | WriteOutcome['kind']

/**
 * One step of reconciling a user: reads the user, decides, and carries out the decision. Resolves to the user's state once it
 * matches the subject. Rejects with GatewayError.
 */
export function createReconcileStep(options: ReconcileStepOptions) {
  const { directory, keys, states, rules, now, sleep } = options
  const writeUser = createWriteUser(options)

  return async function takeStep(request: ReconcileStepRequest): Promise<Reconciled | Unfinished> {
    const { subject, rejected, lastOwnedAt, force } = request
    const { username } = subject.identity
    const decideOn = (stored: StoredUser | undefined) =>
      decide({ stored, subject, now: now(), keys, rules, rejected, lastOwnedAt })
    const shared = await states.read(username)
    if (!rejected && shared.state && isUsable(shared.state, subject)) return { state: shared.state }
    const stored = await directory.get(username)
    const decision = decideOn(stored)
    switch (decision.kind) {
      case 'reject':
        throw rejectUser({ username, stored, shared: shared.state, code: decision.code })
      case 'adopt':
        states.publish(username, decision.state, shared)
        return { state: decision.state }
      case 'wait':
        await sleep(decision.until - now())
        return 'waited'
      case 'write': {
        const outcome = await writeUser({ subject, shared, stored, write: decision, decideOn, force })
        return isFinal(outcome) ? outcome : outcome.kind
      }
    }
  }

  /**
   * Whether a shared state can be adopted without reading the user from Elasticsearch. If an extension is due, the user has to
   * be written.
   */
  function isUsable(state: ManagedState, subject: Subject): boolean {
    if (state.fingerprint !== subject.fingerprint || isRevoked(subject, state.not_before)) return false
    return now() < expiryOf(state, rules) && !extendIfDue(state, now(), rules)
  }

  /**
   * False if the password expired before the write finished. The write may have replaced a newer password, so the user is read
   * again.
   */
  function isFinal(outcome: WriteOutcome): outcome is Extract<WriteOutcome, { state: ManagedState }> {
    return outcome.kind === 'adopted' || (outcome.kind === 'written' && now() < expiryOf(outcome.state, rules))
  }

  function rejectUser({ username, stored, shared, code }: Rejection): GatewayError {
    options.cache.delete(username)
    if (shared) states.taint(username, shared)
    if (code === 'revoked' || code === 'user_disabled') options.onAccessEnded?.(username)
    if (code === 'key_conflict') options.report({ kind: 'key_conflict', username })
    return rejectionError(code, { username, stored, currentKeyId: keys.currentId, rekey: rules.rekey, now: now() })
  }
}

type RejectionContext = Readonly<{
  username: string
  stored: StoredUser | undefined
  currentKeyId: string
  rekey: LifecycleRules['rekey']
  now: number
}>

/** The error for a user whom `decide` rejects. */
export function rejectionError(
  code: RejectionCode,
  { username, stored, currentKeyId, rekey, now }: RejectionContext,
): GatewayError {
  if (code === 'revoked') return revokedError(username, readNotBefore(stored!.metadata)!, now)
  if (code !== 'key_conflict') return new GatewayError(code, rejectionDetails[code])
  return new GatewayError(code, keyConflictDetail(keyIdIn(stored), currentKeyId, rekey))
}

type Rejection = Readonly<{
  username: string
  stored: StoredUser | undefined
  shared: ManagedState | undefined
  code: RejectionCode
}>

function keyConflictDetail(storedKeyId: string, currentKeyId: string, rekey: LifecycleRules['rekey']): string {
  const fix =
    'use the same secret_key in all installations that manage the users of this Elasticsearch, ' +
    `or add the key with the id ${storedKeyId} to previous_secret_keys`
  const why =
    rekey === 'never'
      ? 'elasticsearch.rekey is never'
      : 'this installation wrote it within cache.expiration: another installation with another secret_key writes the same users'
  return `the user is under the key ${storedKeyId}, which is neither ours (${currentKeyId}) nor a previous one, and ${why}; ${fix}`
}

const maxRetryAfterSeconds = 24 * 60 * 60

/** The error of a user who signed in before `notBefore`. `retryAfterSeconds` is set if a new sign-in would be rejected as well. */
export function revokedError(username: string, notBefore: number, now: number): GatewayError {
  if (notBefore <= now)
    return new GatewayError('revoked', 'the session or the token is from before the user was revoked', { username })
  const retryAfterSeconds = Math.min(maxRetryAfterSeconds, Math.ceil((notBefore - now) / 1000))
  return new GatewayError('revoked', futureDetail, { username, retryAfterSeconds })
}

const futureDetail =
  'metadata.elastauth.not_before of the user is in the future or malformed, so no sign-in is accepted: correct the clock of the ' +
  'machine that revoked the user, then run elastauth users revoke again'

/** The details that are logged with a rejection. */
const rejectionDetails = {
  user_reserved: 'the username is reserved in Elasticsearch; use another one at the identity provider',
  user_disabled: 'the user is disabled in Elasticsearch; enable the user there to allow access',
  user_foreign:
    'the user in Elasticsearch was not created by elastauth; set elasticsearch.adopt_existing_users to take the user over',
} as const
