import { type BigIntStats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { ConfigError } from '../../config/faults.ts'
import { readUsers } from '../../config/sources/users-file.ts'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import type { AttemptStore } from '../providers/attempt-limits.ts'
import type { Provider } from '../providers/provider.ts'
import { type BasicProviderOptions, createBasicProvider } from '../providers/users/basic.ts'
import { hasArgon2 } from '../providers/users/password-hashing.ts'
import { createSessionProvider, type SessionProviderOptions } from '../providers/users/session.ts'
import { createUsers, type Users } from '../providers/users/users.ts'
import { createReportedLimits } from './attempt-limits.ts'
import { usersOptions } from './options/users.ts'
import type { PrepareReload } from './reload.ts'

/** The part of the provider `users` that a reload does not replace: verified passwords and failed attempts. */
export type UsersService = Pick<Users, 'verifyPassword' | 'find'> &
  Readonly<{
    /** @param options with `findSession` if the provider also looks for sessions */
    createProvider: (options: UsersProviderOptions) => Provider
    /** Reads the users again when their file changes. */
    watch: (signal: AbortSignal) => void
    prepareReload: PrepareReload
  }>

type UsersProviderOptions = Pick<BasicProviderOptions, 'requiresTrustedPeer'> &
  Readonly<{ findSession: SessionProviderOptions['findSession'] | undefined }>
type Sources = NonNullable<ReturnType<typeof usersOptions>>
type Deps = Readonly<{ log: Logger; attemptStore: AttemptStore | undefined }>

/** How often the file is looked at. A look costs 50 µs; events of the file system do not report changes on network mounts. */
const pollIntervalMs = 500

const noArgon2 = {
  problem: 'is users, but this build of Node.js has no argon2id',
  fix: 'use a Node.js with OpenSSL 3.2 or later, such as that of the image or of nodejs.org',
}

/** @throws {ConfigError} if the file of users has faults */
export function createUsersService(initial: Sources, { log, attemptStore }: Deps): UsersService {
  if (!hasArgon2()) throw new ConfigError([{ key: 'auth_provider', ...noArgon2 }])
  const monotonicNow = () => performance.now()
  /** Every reload that reads the users replaces this object, also if the file is the same. */
  let sources = initial
  // Before the read, and not in the background, so that a change in between is noticed.
  let applied = stampNow(sources)
  /** Whether the file as of `applied` has a fault, so that earlier users are in effect. */
  let isRejected = false
  const users = createUsers(readUsers(sources), {
    attempts: createReportedLimits({
      log,
      shared: attemptStore,
      isUser: (username) => users.find(username) !== undefined,
    }),
    monotonicNow,
  })

  /**
   * Reads the file in a thread, so that requests are served in the meantime. If a reload has replaced the sources, the result is
   * discarded: it may contain users who were removed from `users.inline`, and the reload has read the file itself.
   */
  async function readAgain(): Promise<void> {
    const before = sources
    try {
      const { readUsersInThread } = await import('./read-users-in-thread.ts') // not needed at start
      const next = await readUsersInThread(before)
      if (sources !== before) return
      users.replace(next)
      isRejected = false
      logEvent(log, 'users_changed', {}, `users.path has changed: ${Object.keys(next).length} users`)
    } catch (error) {
      if (sources !== before) return
      isRejected = true
      const reason = error instanceof Error ? error.message : String(error)
      logEvent(log, 'users_rejected', {}, `users.path has changed, but the previous users stay in effect: ${reason}`)
    }
  }

  /** A file that changes between two looks may be half written, so it is read when it has stopped changing. */
  async function watch(signal: AbortSignal): Promise<void> {
    let last = applied
    while (!signal.aborted) {
      await sleep(pollIntervalMs, undefined, { ref: false })
      const seen = await stampOf(sources)
      if (seen === last && seen !== applied) {
        applied = seen
        await readAgain()
      }
      last = seen
    }
  }

  return Object.freeze<UsersService>({
    verifyPassword: users.verifyPassword,
    find: users.find,
    createProvider({ requiresTrustedPeer, findSession }) {
      const otherwise = findSession && createSessionProvider({ requiresTrustedPeer, findSession })
      return createBasicProvider({ ...users, requiresTrustedPeer, otherwise })
    },
    watch: (signal) => void watch(signal),
    prepareReload(config) {
      const next = usersOptions(config)!
      const stamp = stampNow(next)
      // A file with many users is not read again for a change of other keys.
      if (stamp === applied && !isRejected && isDeepStrictEqual(next, sources)) return () => {}
      const read = readUsers(next)
      return () => {
        sources = next
        applied = stamp
        isRejected = false
        users.replace(read)
      }
    },
  })
}

/** Changes with the file: editors replace it, and Kubernetes replaces a symbolic link to its directory. */
async function stampOf({ users: { path: file } }: Sources): Promise<string> {
  return file === null ? '' : format(await stat(file, { bigint: true }).catch(() => undefined))
}

function stampNow({ users: { path: file } }: Sources): string {
  try {
    return file === null ? '' : format(statSync(file, { bigint: true }))
  } catch {
    return format(undefined)
  }
}

function format(stats: BigIntStats | undefined): string {
  return stats === undefined ? 'missing' : [stats.dev, stats.ino, stats.mtimeNs, stats.ctimeNs, stats.size].join(' ')
}
