import type { CredentialCache } from './credential-cache.ts'
import type { LifecycleRules, WriteReason } from './lifecycle.ts'
import type { Keyring } from './password.ts'
import type { PreparePassword } from './password-writer.ts'
import type { SharedStates } from './shared-states.ts'
import type { UserDirectory } from './user-directory.ts'

/** What happened to a user's credential, for the log and the metrics. */
export type CredentialEvent =
  | Readonly<{ kind: 'cache'; result: 'hit' | 'miss' }>
  | Readonly<{
      kind: 'written'
      reason: WriteReason
      username: string
      version: number
      /** What was written; `former` is undefined for a new user. */
      access: Readonly<{ former: Access | undefined; current: Access }>
      /** Present only if this write moves the user to another secret key. */
      keyIds?: Readonly<{ former: string; current: string }>
    }>
  /** Another installation with another key also writes this user. */
  | Readonly<{ kind: 'key_conflict'; username: string }>
  /** A cached credential could not be checked, or could not be replaced after Elasticsearch rejected it. */
  | Readonly<{ kind: 'revalidation_failed'; username: string; error: unknown }>
  /** Removing the roles of a denied user failed and is retried. */
  | Readonly<{ kind: 'denial_failed'; username: string; error: unknown }>
  /** `user_retention` deleted the user. */
  | Readonly<{ kind: 'deleted'; username: string }>
  | Readonly<{ kind: 'api_keys_invalidated'; username: string; count: number }>
  /** A denial was dropped because too many are pending. The user's next request starts another one. */
  | Readonly<{ kind: 'denial_dropped'; username: string }>

export type Access = Readonly<{ roles: readonly string[]; groups: readonly string[] }>

export type CredentialsOptions = Readonly<{
  directory: UserDirectory
  keys: Keyring
  preparePassword: PreparePassword
  cache: CredentialCache
  /** The states that replicas share through Redis; `noSharedStates` without Redis. */
  states: SharedStates
  rules: LifecycleRules
  /** A request checks a cached credential if the last check was at least this long ago. */
  revalidateAfterMs: number
  now: () => number
  /** The time of a monotonic clock in milliseconds, for measuring intervals. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
  /** For background work: a sleep that does not keep the process alive. Defaults to `sleep`. */
  backgroundSleep?: (milliseconds: number) => Promise<void>
  report: (event: CredentialEvent) => void
  /** Called when a user is found to be revoked or disabled. */
  onAccessEnded?: ((username: string) => void) | undefined
}>
