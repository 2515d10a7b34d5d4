import type { Subject } from '../subject.ts'
import { type DenialDecision, decideDenial } from './lifecycle.ts'
import type { StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import { createWriteUser, maxSteps, userKeepsChanging } from './write-user.ts'

export type RemoveAccessOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'preparePassword' | 'cache' | 'states' | 'rules' | 'now' | 'report'
>

/** Carries out the decision if it is a write. @returns the last decision. Rejects with GatewayError. */
export type RemoveAccess = (subject: Subject, deniedAt: number) => Promise<DenialDecision>

export function createRemoveAccess(options: RemoveAccessOptions): RemoveAccess {
  const { directory, keys, cache, states, rules, now } = options
  const writeUser = createWriteUser(options)

  return async function removeAccess(subject, deniedAt) {
    const { username } = subject.identity
    const decideOn = (stored: StoredUser | undefined) =>
      decideDenial({ stored, subject, deniedAt, now: now(), keys, rules })
    let force = false
    for (let step = 0; step < maxSteps; step++) {
      const shared = await states.read(username)
      const stored = await directory.get(username)
      const decision = decideOn(stored)
      if (decision.kind !== 'write') {
        if (decision.kind === 'none') cache.delete(username) // another replica may have removed the access
        return decision
      }
      cache.delete(username)
      const outcome = await writeUser({ subject, shared, stored, write: decision, decideOn, force })
      if (outcome.kind === 'written') {
        cache.delete(username)
        await outcome.unlock(outcome.state)
        return { ...decision, state: outcome.state }
      }
      force = outcome.kind === 'timed_out'
    }
    throw userKeepsChanging()
  }
}
