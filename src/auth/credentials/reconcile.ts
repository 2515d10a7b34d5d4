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
  /** Called before each read: changes that are reported after it may be newer than what it returns. */
  onRead: () => void
}>

/** `unlock` is set after a write: call it once the state is cached. It notifies the other replicas. */
export type Reconciled = Readonly<{ state: ManagedState; unlock?: Unlock }>

/** Why a step has not finished: the user has to be read again. */
type Unfinished = 'waited' | WriteOutcome['kind']

/** Maximum of decisions per request. Two are usual (wait, then rotate); more mean that the user is being written elsewhere. */
const maxSteps = 8
/**
 * From this step on, locks of other replicas are overridden. Late, because concurrent writes of replicas with different current
 * keys set different passwords.
 */
const forceFromStep = 6

/** Reads the user, decides and acts, until the user in Elasticsearch is as the subject requires. Rejects with GatewayError. */
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

  /** The same test as for cached credentials; a state whose extension is due has to be read from Elasticsearch. */
  function isUsable(state: ManagedState, { fingerprint }: Subject): boolean {
    return state.fingerprint === fingerprint && now() < expiryOf(state, rules) && !extendIfDue(state, now(), rules)
  }

  /** False if the password expired before its write finished: the write may have undone another replica's, so the user is read again. */
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

/** For the log. */
const rejectionDetails = {
  user_reserved: 'the username is reserved in Elasticsearch; use another one at the identity provider',
  user_disabled: 'the user is disabled in Elasticsearch; enable the user there to allow access',
  user_foreign:
    'the user in Elasticsearch was not created by elastauth; set elasticsearch.adopt_existing_users to take the user over',
} as const
