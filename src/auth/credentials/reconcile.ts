import { GatewayError } from '../../http/errors.ts'
import type { Subject } from '../subject.ts'
import { decide, expiryOf, extendIfDue, type LifecycleRules, type RejectionCode } from './lifecycle.ts'
import type { ManagedState, StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import type { Unlock } from './shared-states.ts'
import { createWriteUser, keyIdIn, type WriteOutcome } from './write-user.ts'

type ReconcileOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'preparePassword' | 'cache' | 'states' | 'rules' | 'now' | 'sleep' | 'report'
>

export type ReconcileRequest = Readonly<{
  subject: Subject
  /** A state whose password Elasticsearch has rejected. */
  rejected: ManagedState | undefined
  /** See `DecisionInput`. */
  lastOwnedAt: number | undefined
  /**
   * Called before each read of the user. Changes that other replicas report after this call may be newer than the user that was
   * read.
   */
  onRead: () => void
}>

/** `unlock` is set after a write. Call `unlock` once the state is cached: it releases the lock and notifies the other replicas. */
export type Reconciled = Readonly<{ state: ManagedState; unlock?: Unlock }>

/** Why the user has to be read again after a step. */
type Unfinished = 'waited' | WriteOutcome['kind']

/**
 * Maximum number of decisions per request. Two are usual (wait, then rotate); more are needed only while something else writes
 * the user.
 */
const maxSteps = 8
/**
 * From this step on, the lock is taken even if another replica holds it. This is a last resort, because replicas with different
 * current keys would overwrite each other's passwords.
 */
const forceFromStep = 6

/**
 * The returned function reads the user and carries out decisions until the user in Elasticsearch matches the subject. Rejects
 * with GatewayError.
 */
export function createReconcile(options: ReconcileOptions) {
  const { directory, keys, states, rules, now, sleep } = options
  const writeUser = createWriteUser(options)

  return async function reconcile(request: ReconcileRequest): Promise<Reconciled> {
    let hasTimedOut = false
    for (let step = 0; step < maxSteps; step++) {
      const result = await takeStep(request, hasTimedOut || step >= forceFromStep)
      if (typeof result === 'object') return result
      if (result !== 'waited') hasTimedOut = result === 'timed_out'
    }
    throw new GatewayError(
      'elasticsearch_unavailable',
      `the user changed during each of ${maxSteps} attempts; check what else writes this user in Elasticsearch`,
    )
  }

  async function takeStep(request: ReconcileRequest, force: boolean): Promise<Reconciled | Unfinished> {
    const { subject, rejected, lastOwnedAt, onRead } = request
    const { username } = subject.identity
    const decideOn = (stored: StoredUser | undefined) =>
      decide({ stored, subject, now: now(), keys, rules, rejected, lastOwnedAt })
    onRead()
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
  function isUsable(state: ManagedState, { fingerprint }: Subject): boolean {
    return state.fingerprint === fingerprint && now() < expiryOf(state, rules) && !extendIfDue(state, now(), rules)
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
    if (code !== 'key_conflict') return new GatewayError(code, rejectionDetails[code])
    options.report({ kind: 'key_conflict', username })
    return new GatewayError(code, keyConflictDetail(keyIdIn(stored), keys.currentId, rules.rekey))
  }
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

/** The details that are logged with a rejection. */
const rejectionDetails = {
  user_reserved: 'the username is reserved in Elasticsearch; use another one at the identity provider',
  user_disabled: 'the user is disabled in Elasticsearch; enable the user there to allow access',
  user_foreign:
    'the user in Elasticsearch was not created by elastauth; set elasticsearch.adopt_existing_users to take the user over',
} as const
