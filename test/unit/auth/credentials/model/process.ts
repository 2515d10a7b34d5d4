import type { CachedCredential } from '../../../../../src/auth/credentials/credential-cache.ts'
import { createKeyring } from '../../../../../src/auth/credentials/password.ts'
import { createSharedCache } from '../../../../../src/auth/credentials/shared-cache.ts'
import type { SharedStore } from '../../../../../src/auth/credentials/shared-store.ts'
import type { UserDirectory, UserToWrite } from '../../../../../src/auth/credentials/user-directory.ts'
import type { Subject } from '../../../../../src/auth/subject.ts'
import type { FakeClock } from '../../../../support/fake-clock.ts'
import { createReplica, identity, subject } from '../fixture.ts'
import { expirationMs, type Fault, lockTtlMs, pause } from './model.ts'

/** One user, whose groups give no role. */
const denied = identity({ groups: ['outsiders'] })

export type ProcessOptions = Readonly<{
  clock: FakeClock
  directory: UserDirectory
  store: SharedStore & Readonly<{ onChange: (listener: (username: string, id: string) => void) => void }>
  /** The time that something takes on its way. */
  travel: () => Promise<void>
  /** How far its clock is ahead. */
  ahead: number
  keys: readonly [string, ...string[]]
  /** Called when a write of it arrives, before it is carried out. */
  onWrite: (username: string, user: UserToWrite, currentKey: string) => void
}>

/** A replica, its ways to the others, and what may become of it. */
export function createProcess({ clock, directory, store, travel, ahead, keys, onWrite }: ProcessOptions) {
  let alive = true
  let cutUntil = 0
  let deafUntil = 0
  let strangers = 0
  let slow: Extract<Fault, { kind: 'slow' }> | undefined
  const never = new Promise<never>(() => {})
  const keyring = createKeyring(keys)

  const reach =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>, isRedis: boolean, call?: 'get' | 'put') =>
    async (...args: A): Promise<T> => {
      const check = async () => {
        if (!alive) await never
        if (isRedis && clock.now() < cutUntil) throw new Error('no Redis')
      }
      const dawdle = async (way: 'there' | 'back') => {
        if (call !== undefined && slow?.call === call && slow.way === way) await clock.sleep(slow.length)
      }
      await check()
      await travel()
      if (isRedis) await check()
      await dawdle('there')
      // what has been sent arrives, though its sender may be dead by now
      const result = await work(...args)
      await travel()
      await dawdle('back')
      await check()
      return result
    }
  const put = (username: string, user: UserToWrite) => {
    onWrite(username, user, keyring.currentId)
    return directory.put(username, user)
  }
  const farDirectory: UserDirectory = {
    get: reach(directory.get, false, 'get'),
    put: reach(put, false, 'put'),
    authenticate: reach(directory.authenticate, false),
  }
  const farStore: SharedStore = {
    get: reach(store.get, true),
    replace: reach(store.replace, true),
    claim: reach(store.claim, true),
    finish: reach(store.finish, true),
    taint: reach(store.taint, true),
  }
  const rules = {
    expirationMs,
    rotationPauseMs: pause,
    extend: false,
    adoptExisting: false,
    rekey: 'allow',
    changeIntervalMs: 1000,
  } as const
  const now = () => clock.now() + ahead
  const states = createSharedCache({
    store: farStore,
    keys: keyring,
    rules,
    lockTtlMs,
    now,
    monotonicNow: clock.monotonicNow,
    sleep: clock.sleep,
  })
  const replica = createReplica(farDirectory, clock, {
    keys,
    states,
    rules,
    clockAheadMs: ahead,
    revalidateAfterMs: 3000,
  })
  store.onChange(async (username, id) => {
    await travel()
    if (alive && clock.now() >= cutUntil && clock.now() >= deafUntil) replica.noteChange(username, id)
  })
  /** Whoever was cut off hears that something may have gone unheard. */
  const recheckAfter = (length: number) => void clock.sleep(length).then(() => alive && replica.revalidateAll())

  return Object.freeze({
    now,
    isAlive: () => alive,
    isCut: () => alive && clock.now() < cutUntil,
    crash() {
      alive = false
    },
    cut(length: number) {
      cutUntil = clock.now() + length
      recheckAfter(length)
    },
    slow(fault: typeof slow) {
      slow = fault
    },
    deafen(length: number) {
      deafUntil = clock.now() + length
      recheckAfter(length)
    },
    obtain: async (who: Subject) => (await replica.obtainNow(who)) as CachedCredential,
    deny() {
      if (alive) replica.deny(denied)
    },
    /** What brings a replica that lost Redis to make good what it could not mark. */
    askForAnother() {
      if (alive) replica.obtain(subject({ username: `other-${strangers++}` })).catch(() => {})
    },
  })
}

export type Process = ReturnType<typeof createProcess>
