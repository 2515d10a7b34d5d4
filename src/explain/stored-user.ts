import type { Credential } from '../auth/credentials/credentials.ts'
import {
  type Decision,
  type DenialDecision,
  decide,
  decideDenial,
  type LifecycleRules,
} from '../auth/credentials/lifecycle.ts'
import { type ManagedState, readGroups, readManagedState, type StoredUser } from '../auth/credentials/managed-user.ts'
import type { Keyring } from '../auth/credentials/password.ts'
import { rejectionError } from '../auth/credentials/reconcile-step.ts'
import type { UserDirectory } from '../auth/credentials/user-directory.ts'
import type { Identity } from '../auth/identity.ts'
import { createSubject, type Subject } from '../auth/subject.ts'

/** What elastauth would do with the user in Elasticsearch. */
export type StoredUserStep =
  /** Elasticsearch was not read. */
  | Readonly<{ read: false; username: string; denied: boolean }>
  | Readonly<{
      read: true
      username: string
      exists: boolean
      decision: string
      /** Why the user is written or rejected. */
      reason: string | null
      /** ISO 8601; elastauth waits until then, and decides again. */
      until: string | null
      changes: readonly Change[]
    }>

type Change = Readonly<{ field: string; from: unknown; to: unknown }>

export type StoredUserReader = Readonly<{
  /** Undefined if Elasticsearch is not read. */
  get: UserDirectory['get'] | undefined
  keys: Keyring
  rules: LifecycleRules
  now: () => number
}>

/** In place of the credential of the user, which is not derived. */
export const hiddenCredential: Credential = { authorization: 'Basic (hidden)' }

/** Decides about the stored user of a subject, as a request does whose credential is not cached. Rejects with GatewayError. */
export async function explainStoredUser(
  { get, keys, rules, now }: StoredUserReader,
  subject: Subject,
  report: (step: StoredUserStep) => void,
): Promise<void> {
  const { username } = subject.identity
  if (get === undefined) return report({ read: false, username, denied: false })
  const stored = await get(username)
  const decision = decide({ stored, subject, now: now(), keys, rules })
  report(describeDecision(decision, subject, stored))
  if (decision.kind === 'reject')
    throw rejectionError(decision.code, {
      username,
      stored,
      currentKeyId: keys.currentId,
      rekey: rules.rekey,
      now: now(),
    })
}

/** What elastauth does in the background if the groups of a user grant no access. */
export async function explainDenial(
  { get, keys, rules, now }: StoredUserReader,
  identity: Identity,
): Promise<StoredUserStep> {
  const { username } = identity
  if (get === undefined) return { read: false, username, denied: true }
  const stored = await get(username)
  const subject = createSubject(identity, [])
  const time = now()
  const decision = decideDenial({ stored, subject, deniedAt: time, now: time, keys, rules })
  return describeDecision(decision, subject, stored)
}

function describeDecision(
  decision: Decision | DenialDecision,
  subject: Subject,
  stored: StoredUser | undefined,
): StoredUserStep {
  const { kind } = decision
  return {
    ...{ read: true, username: subject.identity.username, exists: stored !== undefined, decision: kind },
    reason: kind === 'write' ? decision.reason : kind === 'reject' ? decision.code : null,
    until: kind === 'wait' ? new Date(decision.until).toISOString() : null,
    changes: kind === 'write' ? changesOf(stored, subject, decision.state) : [],
  }
}

function changesOf(stored: StoredUser | undefined, { roles, identity }: Subject, next: ManagedState): Change[] {
  const metadata = stored?.metadata ?? {}
  const former = readManagedState(metadata)
  const all: Change[] = [
    { field: 'roles', from: stored?.roles.toSorted() ?? null, to: roles.toSorted() },
    { field: 'metadata.groups', from: readGroups(metadata)?.toSorted() ?? null, to: identity.groups.toSorted() },
    { field: 'password', from: versionOf(former), to: versionOf(next) },
  ]
  return all.filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to))
}

/** Passwords are derived from the state, so a version names one. */
function versionOf(state: ManagedState | undefined): string | null {
  return state === undefined ? null : `version ${state.version} of ${state.created}, key ${state.key_id}`
}
