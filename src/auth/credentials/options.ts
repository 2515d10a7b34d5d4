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
      /** Present only if this write moves the user to another secret key. */
      keyIds?: Readonly<{ former: string; current: string }>
    }>
  /** Another installation with another key also writes this user. */
  | Readonly<{ kind: 'key_conflict'; username: string }>
  /** A cached credential could not be checked, or could not be replaced after Elasticsearch rejected it. */
  | Readonly<{ kind: 'revalidation_failed'; username: string; error: unknown }>
  /** The roles of a denied user could not be removed yet: it is retried. */
  | Readonly<{ kind: 'denial_failed'; username: string; error: unknown }>
  /** Dropped because too many denials are pending; the user's next request retries it. */
  | Readonly<{ kind: 'denial_dropped'; username: string }>

export type CredentialsOptions = Readonly<{
  directory: UserDirectory
  keys: Keyring
  preparePassword: PreparePassword
  cache: CredentialCache
  /** What replicas share; `noSharedStates` if they share only Elasticsearch. */
  states: SharedStates
  rules: LifecycleRules
  /** Age of a cached credential's last check from which on the next request checks it again. */
  revalidateAfterMs: number
  now: () => number
  /** For intervals: milliseconds of a monotonic clock. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
  /** For background work: does not keep the process alive. Defaults to `sleep`. */
  backgroundSleep?: (milliseconds: number) => Promise<void>
  report: (event: CredentialEvent) => void
}>
