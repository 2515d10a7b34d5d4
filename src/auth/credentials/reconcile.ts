import { GatewayError } from '../../http/errors.ts'
import type { Subject } from '../subject.ts'
import { decide, endOf, extend, type LifecycleRules } from './lifecycle.ts'
import type { ManagedState, StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import type { Unlock } from './shared-states.ts'
import { createWriteUser, keyIdIn } from './write-user.ts'

type SettleOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'preparePassword' | 'cache' | 'states' | 'rules' | 'now' | 'sleep' | 'report'
>

export type ReconcileRequest = Readonly<{
  subject: Subject
  /** A state whose password Elasticsearch has rejected. */
  refused: ManagedState | undefined
  /** See `Situation`. */
  heldAt: number | undefined
  /** Called before each read: later news of the user may be newer than its result. */
  onRead: () => void
}>

/** `endTurn` is there after a write: call it when the state is remembered, so that replicas hear of it. */
export type Reconciled = Readonly<{ state: ManagedState; endTurn?: Unlock }>

/** Decisions in a row before we give up. Two are usual (wait, then rotate); more mean that somebody else keeps writing. */
const maxSteps = 8
/** From this step on we do not wait for other replicas any more: late, since two with different keys make two passwords. */
const insistFrom = 6

/** Reads, decides and acts until the user in Elasticsearch is as the subject needs it. Rejects with GatewayError. */
export function createReconcile(options: SettleOptions) {
  const { directory, keys, cache, states, rules, now, sleep, report } = options
  const writeUser = createWriteUser(options)

  return async function settle({ subject, refused, heldAt, onRead }: ReconcileRequest): Promise<Reconciled> {
    const { username } = subject.identity
    const decideOn = (stored: StoredUser | undefined) =>
      decide({ stored, subject, now: now(), keys, rules, refused, heldAt })
    let insist = false
    for (let step = 0; step < maxSteps; step++) {
      onRead()
      const shared = await states.read(username)
      if (!refused && shared.state && isAsNeeded(shared.state, subject)) return { state: shared.state }
      const stored = await directory.get(username)
      const decision = decideOn(stored)
      if (decision.kind === 'refuse') {
        cache.delete(username)
        if (shared.state) states.taint(username, shared.state)
        if (decision.code !== 'key_conflict') throw new GatewayError(decision.code, refusals[decision.code])
        report({ kind: 'key_conflict', username })
        throw new GatewayError('key_conflict', keyConflict(keyIdIn(stored), keys.currentId, rules.rekey))
      }
      if (decision.kind === 'adopt') {
        states.publish(username, decision.state, shared)
        return { state: decision.state }
      }
      if (decision.kind === 'wait') {
        await sleep(decision.until - now())
        continue
      }
      const insists = insist || step >= insistFrom
      const outcome = await writeUser({ subject, shared, stored, write: decision, decideOn, insist: insists })
      insist = outcome.kind === 'stuck'
      if (outcome.kind === 'adopted') return outcome
      // A write that took longer than its password lives may have undone another replica's: then decide once more.
      if (outcome.kind === 'written' && now() < endOf(outcome.state, rules)) return outcome
    }
    throw new GatewayError('elasticsearch_unavailable', `the user kept changing for ${maxSteps} steps`)
  }

  /** The same test as for what we cache, and it is not due to be prolonged. */
  function isAsNeeded(state: ManagedState, { fingerprint }: Subject): boolean {
    return state.fingerprint === fingerprint && now() < endOf(state, rules) && !extend(state, now(), rules)
  }
}

function keyConflict(storedKeyId: string, currentKeyId: string, rekey: LifecycleRules['rekey']): string {
  const fix =
    'use the same secret_key in all installations that manage the users of this Elasticsearch, ' +
    `or add the key with the id ${storedKeyId} to previous_secret_keys`
  const why =
    rekey === 'never'
      ? 'elasticsearch.rekey is never'
      : 'this installation wrote it within cache.expiration: another installation with another secret_key writes the same users'
  return `the user is under the key ${storedKeyId}, which is neither ours (${currentKeyId}) nor a previous one, and ${why}; ${fix}`
}

/** What the log says of a user that we must not touch. */
const refusals = {
  user_reserved: 'Elasticsearch reserves this user',
  user_disabled: 'the user is disabled in Elasticsearch; enable it there to let it in',
  user_foreign:
    'the user in Elasticsearch was not made by elastauth; set elasticsearch.adopt_existing_users to take it over',
} as const
