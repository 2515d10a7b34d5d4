import { GatewayError } from '../../http/errors.ts'
import { decideEnabling, decideRevocation, timeOfRevocation, type WaitOrWrite } from './lifecycle.ts'
import { type ManagedState, readManagedState, type StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import { createWriteUser, keyIdIn, maxSteps, subjectOf, userKeepsChanging } from './write-user.ts'

export type AdministrationOptions = Pick<
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

export type Administration = Readonly<{
  /**
   * Writes `not_before` and the next password, and disables the user if `disable` is set. Elasticsearch has no compare-and-set
   * for users, so a write of a replica without Redis may undo this: the user is read again until nothing has changed for a while.
   */
  revoke: (username: string, disable: boolean) => Promise<Revocation>
  /** Enables the user. A revocation stays. Resolves to false if the user is enabled already. */
  enable: (username: string) => Promise<boolean>
  /** Checks that elastauth manages the user. */
  find: (username: string) => Promise<Readonly<{ stored: StoredUser; state: ManagedState }>>
}>

type Decide = (stored: StoredUser) => WaitOrWrite | undefined

/**
 * What an administrator does to one user. Every function rejects with GatewayError, with the code `not_found`, `user_foreign` or
 * `key_conflict` for a user that elastauth does not manage with these keys.
 */
export function createAdministration(options: AdministrationOptions): Administration {
  const { directory, keys, states, rules, now, sleep } = options
  const writeUser = createWriteUser(options)

  async function revoke(username: string, disable: boolean): Promise<Revocation> {
    const notBefore = timeOfRevocation((await find(username)).state, now())
    const decide: Decide = (stored) => decideRevocation({ stored, notBefore, disable, now: now(), keys, rules })
    let former: ManagedState | undefined
    for (let round = 0; round < maxRounds; round++) {
      const { state, wasWritten } = await writeUntilDone(username, decide)
      former ??= wasWritten?.former ?? state
      if (!wasWritten && round > 0) return { former: former!, current: state, isStable: true }
      await sleep(rules.rotationPauseMs + marginMs)
    }
    const { stored, state } = await find(username)
    return { former: former!, current: state, isStable: decide(stored) === undefined }
  }

  async function enable(username: string): Promise<boolean> {
    const { wasWritten } = await writeUntilDone(username, (stored) =>
      decideEnabling({ stored, now: now(), keys, rules }),
    )
    return wasWritten !== undefined
  }

  async function find(username: string) {
    const stored = await directory.get(username)
    const state = requireManaged(username, stored)
    return { stored: stored!, state }
  }

  type Written = Readonly<{ state: ManagedState; wasWritten: { former: ManagedState } | undefined }>

  async function writeUntilDone(username: string, decide: Decide): Promise<Written> {
    const decideOn = (stored: StoredUser | undefined) => {
      requireManaged(username, stored)
      return decide(stored!)
    }
    let force = false
    for (let step = 0; step < maxSteps; step++) {
      const shared = await states.read(username)
      const { stored, state: former } = await find(username)
      const decision = decide(stored)
      if (decision === undefined) return { state: former, wasWritten: undefined }
      if (decision.kind === 'wait') {
        await sleep(decision.until - now())
        continue
      }
      const subject = subjectOf(username, stored)
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

  return Object.freeze({ revoke, enable, find })
}
