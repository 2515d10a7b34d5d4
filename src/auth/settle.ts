import { GatewayError } from '../errors.ts'
import type { EndTurn } from './cache/shared-states.ts'
import type { CredentialsOptions } from './credentials.ts'
import { decide, endOf, extend, type LifecycleRules } from './lifecycle.ts'
import { type ManagedState, readManagedState, type StoredUser } from './managed-user.ts'
import type { Subject } from './subject.ts'

type SettleOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'preparePassword' | 'cache' | 'states' | 'rules' | 'now' | 'sleep' | 'report'
>

export type SettleRequest = Readonly<{
  subject: Subject
  /** A state whose password Elasticsearch was seen to refuse. */
  refused: ManagedState | undefined
  /** See `Situation`. */
  heldAt: number | undefined
  /** Called before each reading: what is heard of the user from then on may be newer. */
  onRead: () => void
}>

/** `endTurn` is there after a write: call it when the state is remembered, so that replicas hear of it. */
export type Settled = Readonly<{ state: ManagedState; endTurn?: EndTurn }>

/** Decisions in a row before we give up. Two are usual (wait, then rotate); more mean that somebody else keeps writing. */
const maxSteps = 8
/** From this step on we do not wait for other replicas any more: late, since two with different keys make two passwords. */
const insistFrom = 6

/** Reads, decides and acts until the user in Elasticsearch is as the subject needs it. Rejects with GatewayError. */
export function createSettle(options: SettleOptions) {
  const { directory, keys, preparePassword, cache, states, rules, now, sleep, report } = options

  return async function settle({ subject, refused, heldAt, onRead }: SettleRequest): Promise<Settled> {
    const { username } = subject.identity
    let insist = false
    for (let step = 0; step < maxSteps; step++) {
      onRead()
      const shared = await states.read(username)
      if (!refused && shared.state && isAsNeeded(shared.state, subject)) return { state: shared.state }
      const stored = await directory.get(username)
      const decision = decide({ stored, subject, now: now(), keys, rules, refused, heldAt })
      if (decision.kind === 'refuse') {
        cache.delete(username)
        if (shared.state) states.doubt(username, shared.state)
        if (decision.code !== 'key_conflict') throw new GatewayError(decision.code, refusals[decision.code])
        report({ kind: 'key_conflict', username })
        throw new GatewayError('key_conflict', keyConflict(keyIdIn(stored), keys.currentId, rules.rekey))
      }
      if (decision.kind === 'adopt') {
        states.offer(username, decision.state, shared)
        return { state: decision.state }
      }
      if (decision.kind === 'wait') {
        await sleep(decision.until - now())
        continue
      }
      const password = await preparePassword(username, decision.state)
      const endTurn = await states.begin(username, shared, insist || step >= insistFrom)
      if (typeof endTurn === 'string') {
        insist = endTurn === 'stuck'
        continue
      }
      await directory.put(username, { ...password, ...profileToWrite(subject, decision.state, stored) })
      const { reason, state } = decision
      report({
        ...{ kind: 'written', reason, username, version: state.version },
        ...(reason === 'rekeyed' && { keyIds: { former: keyIdIn(stored), current: state.key_id } }),
      })
      // A write that took longer than its password lives may have undone another replica's: then decide once more.
      if (now() < endOf(decision.state, rules)) return { state: decision.state, endTurn }
    }
    throw new GatewayError('elasticsearch_unavailable', `the user did not come to rest in ${maxSteps} steps`)
  }

  /** The same test as for what we cache, and it is not due to be prolonged. */
  function isAsNeeded(state: ManagedState, { fingerprint }: Subject): boolean {
    return state.fingerprint === fingerprint && now() < endOf(state, rules) && !extend(state, now(), rules)
  }

  function profileToWrite({ identity, roles }: Subject, state: ManagedState, stored: StoredUser | undefined) {
    return {
      roles,
      full_name: identity.name ?? null,
      email: identity.email ?? null,
      metadata: { ...stored?.metadata, groups: identity.groups, elastauth: state },
    }
  }
}

/** The id of the key that a stored user is under, fit for a log: whoever may write metadata may write anything there. */
function keyIdIn(stored: StoredUser | undefined): string {
  const { key_id = '' } = readManagedState(stored?.metadata ?? {}) ?? {}
  return /^[0-9a-f]{8}$/.test(key_id) ? key_id : '(malformed)'
}

function keyConflict(storedKeyId: string, currentKeyId: string, rekey: LifecycleRules['rekey']): string {
  const fix =
    'use the same secret_key in all installations that manage the users of this Elasticsearch, ' +
    `or add the key with the id ${storedKeyId} to previous_secret_keys`
  const why =
    rekey === 'never'
      ? 'elasticsearch.rekey is never'
      : 'we wrote it within cache.expiration: another installation with another secret_key writes the same users'
  return `the user is under the key ${storedKeyId}, which is neither ours (${currentKeyId}) nor a previous one, and ${why}; ${fix}`
}

/** What the log says of a user that we must not touch. */
const refusals = {
  user_reserved: 'Elasticsearch reserves this user',
  user_disabled: 'the user is disabled in Elasticsearch; enable it there to let it in',
  user_foreign:
    'the user in Elasticsearch was not made by elastauth; set elasticsearch.adopt_existing_users to take it over',
} as const
