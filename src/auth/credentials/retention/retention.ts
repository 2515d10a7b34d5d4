import type { StoredUser } from '../managed-user.ts'
import type { CredentialsOptions } from '../options.ts'
import type { SharedRead } from '../shared-states.ts'
import type { UserDirectory } from '../user-directory.ts'
import { createWriteUser, subjectOf } from '../write-user.ts'
import { decideRetention, type RetentionDecision, type RetentionRules } from './decide-retention.ts'

export type RetentionOptions = Pick<
  CredentialsOptions,
  'keys' | 'preparePassword' | 'states' | 'rules' | 'now' | 'report'
> &
  Readonly<{
    directory: UserDirectory & Readonly<{ delete: (username: string) => Promise<void> }>
    /** Resolves to the number of keys that were active. */
    invalidateApiKeys: (username: string) => Promise<number>
    retention: RetentionRules
    /** Removes the user's credential from the cache of this process. */
    forget: (username: string) => void
  }>

export type RetentionAction = 'disabled_idle' | 'enabled' | 'deleted'

export type Retention = Readonly<{
  /** What is due for the user as listed. */
  dueFor: (stored: StoredUser) => RetentionAction | undefined
  /**
   * Reads the user and carries out what is due. After a crash at any step, the same is still due. Resolves to undefined if nothing is
   * due any more, or if another replica is writing the user. Rejects with GatewayError.
   */
  apply: (username: string) => Promise<RetentionAction | undefined>
}>

/** Disables and deletes inactive users (`user_retention`). */
export function createRetention(options: RetentionOptions): Retention {
  const { directory, keys, states, rules, retention, now, forget, report } = options
  const writeUser = createWriteUser(options)
  const decideOn = (stored: StoredUser | undefined) => decideRetention({ stored, now: now(), keys, rules, retention })

  async function apply(username: string): Promise<RetentionAction | undefined> {
    const shared = await states.read(username)
    const stored = await directory.get(username)
    const decision = decideOn(stored)
    const action = actionOf(decision)
    if (stored === undefined || action === undefined) return undefined
    // First, because afterwards nothing would be due: a crash in between would leave the keys valid.
    if (action !== 'enabled' && retention.invalidateApiKeys) await invalidateApiKeys(username)
    const isDone =
      decision.kind === 'write' ? await write(username, shared, stored, decision) : await deleteUser(username, shared)
    return isDone ? action : undefined
  }

  async function invalidateApiKeys(username: string): Promise<void> {
    const count = await options.invalidateApiKeys(username)
    if (count > 0) report({ kind: 'api_keys_invalidated', username, count })
  }

  async function write(
    username: string,
    shared: SharedRead,
    stored: StoredUser,
    decision: Extract<RetentionDecision, { kind: 'write' }>,
  ): Promise<boolean> {
    const subject = subjectOf(username, stored)
    const outcome = await writeUser({ subject, shared, stored, write: decision, decideOn, force: false })
    if (outcome.kind !== 'written') return false
    forget(username)
    await outcome.unlock(outcome.state)
    return true
  }

  async function deleteUser(username: string, shared: SharedRead): Promise<boolean> {
    const unlock = await states.lock({ username, read: shared, force: false })
    if (typeof unlock === 'string') return false
    const isDue = await isStillDue(username).catch(async (error: unknown) => {
      await unlock(undefined) // nothing was written
      throw error
    })
    if (isDue) {
      await directory.delete(username)
      forget(username)
    }
    await unlock(undefined)
    if (isDue) report({ kind: 'deleted', username })
    return isDue
  }

  async function isStillDue(username: string): Promise<boolean> {
    return decideOn(await directory.get(username)).kind === 'delete'
  }

  return Object.freeze({ dueFor: (stored) => actionOf(decideOn(stored)), apply })
}

function actionOf(decision: RetentionDecision): RetentionAction | undefined {
  if (decision.kind === 'write') return decision.reason
  return decision.kind === 'delete' ? 'deleted' : undefined
}
