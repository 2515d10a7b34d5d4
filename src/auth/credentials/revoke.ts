import { GatewayError } from '../../http/errors.ts'
import { decideRevocation } from './lifecycle.ts'
import { type ManagedState, readGroups, readManagedState, type StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import { createWriteUser, keyIdIn, maxSteps, userKeepsChanging, type WriteRequest } from './write-user.ts'

export type RevokeOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'preparePassword' | 'states' | 'rules' | 'now' | 'sleep' | 'report'
>

export type Revocation = Readonly<{
  /** The state before the revocation, and after it. */
  former: ManagedState
  current: ManagedState
  /** False if something kept undoing the revocation. */
  isStable: boolean
}>

/** How often the revocation is written again, if a write that a replica began before it has undone it. */
const maxRounds = 5
/** A replica without Redis may have read the user before the revocation, and write it this much later than `rotationPauseMs`. */
const marginMs = 1000

/**
 * Writes `not_before` and the next password, and disables the user if `disable` is set. Elasticsearch has no compare-and-set for
 * users, so a write of a replica without Redis may undo this: the user is read again until nothing has changed for a while.
 * The returned function rejects with GatewayError, with the code `user_foreign` for a user that elastauth does not manage.
 */
export function createRevoke(options: RevokeOptions) {
  const { directory, keys, states, rules, now, sleep } = options
  const writeUser = createWriteUser(options)

  return async function revoke(username: string, disable: boolean): Promise<Revocation> {
    const notBefore = now()
    let former: ManagedState | undefined
    for (let round = 0; round < maxRounds; round++) {
      const { state, wasWritten } = await writeUntilDone(username, notBefore, disable)
      former ??= wasWritten?.former ?? state
      if (!wasWritten && round > 0) return { former: former!, current: state, isStable: true }
      await sleep(rules.rotationPauseMs + marginMs)
    }
    const stored = await directory.get(username)
    const current = requireManaged(username, stored)
    const isStable = decideRevocation({ stored: stored!, notBefore, disable, now: now(), keys, rules }) === undefined
    return { former: former!, current, isStable }
  }

  type Written = Readonly<{ state: ManagedState; wasWritten: { former: ManagedState } | undefined }>

  async function writeUntilDone(username: string, notBefore: number, disable: boolean): Promise<Written> {
    const decideOn = (stored: StoredUser | undefined) => {
      requireManaged(username, stored)
      return decideRevocation({ stored: stored!, notBefore, disable, now: now(), keys, rules })
    }
    let force = false
    for (let step = 0; step < maxSteps; step++) {
      const shared = await states.read(username)
      const stored = await directory.get(username)
      const former = requireManaged(username, stored)
      const decision = decideOn(stored)
      if (decision === undefined) return { state: former, wasWritten: undefined }
      if (decision.kind === 'wait') {
        await sleep(decision.until - now())
        continue
      }
      const subject = subjectOf(username, stored!)
      const outcome = await writeUser({ subject, shared, stored, write: decision, decideOn, force })
      if (outcome.kind === 'written') {
        // A shared state would let replicas hand out the password of a disabled user without reading the user.
        await outcome.unlock(decision.enabled === false ? undefined : outcome.state)
        return { state: outcome.state, wasWritten: { former } }
      }
      force = outcome.kind === 'timed_out'
    }
    throw userKeepsChanging()
  }

  function requireManaged(username: string, stored: StoredUser | undefined): ManagedState {
    if (stored === undefined) throw new GatewayError('not_found', `there is no user ${username} in Elasticsearch`)
    const state = stored.reserved ? undefined : readManagedState(stored.metadata)
    if (state === undefined)
      throw new GatewayError(
        'user_foreign',
        `elastauth does not manage the user ${username}: change it in Elasticsearch`,
      )
    if (keys.knows(state.key_id)) return state
    const detail = `the user ${username} is under the key ${keyIdIn(stored)}, which this configuration does not have: use the secret_key of the running replicas`
    throw new GatewayError('key_conflict', detail)
  }
}

/** Keeps the roles, groups, name and email address of the user. */
function subjectOf(username: string, { roles, full_name, email, metadata }: StoredUser): WriteRequest['subject'] {
  const profile = { ...(full_name && { name: full_name }), ...(email && { email }) }
  return { roles, identity: { username, groups: readGroups(metadata) ?? [], ...profile, provider: 'elastauth' } }
}
