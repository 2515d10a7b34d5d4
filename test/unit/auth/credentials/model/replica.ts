import type { CachedCredential } from '../../../../../src/auth/credentials/credential-cache.ts'
import { createKeyring } from '../../../../../src/auth/credentials/password.ts'
import { createSharedCache } from '../../../../../src/auth/credentials/shared-cache.ts'
import { noSharedStates } from '../../../../../src/auth/credentials/shared-states.ts'
import type { SharedStore } from '../../../../../src/auth/credentials/shared-store.ts'
import type { UserDirectory, UserToWrite } from '../../../../../src/auth/credentials/user-directory.ts'
import type { Subject } from '../../../../../src/auth/subject.ts'
import type { FakeClock } from '../../../../support/fake-clock.ts'
import { createReplica, identity, subject } from '../fixture.ts'
import { expirationMs, type Fault, lockTtlMs, pauseMs } from './scenario.ts'

/** The user with groups that grant no role. */
const denied = identity({ groups: ['outsiders'] })

export const defaultRules = {
  expirationMs,
  rotationPauseMs: pauseMs,
  extend: false,
  adoptExisting: false,
  rekey: 'allow',
  changeIntervalMs: 1000,
} as const

export type SimulatedReplicaOptions = Readonly<{
  clock: FakeClock
  directory: UserDirectory
  store: SharedStore & Readonly<{ onChange: (listener: (username: string, stateId: string) => void) => void }>
  /** The network delay of one direction. */
  delay: () => Promise<void>
  clockAheadMs: number
  keys: readonly [string, ...string[]]
  /** Called when a write arrives at Elasticsearch, before it is carried out. */
  onWrite: (username: string, user: UserToWrite, currentKeyId: string) => void
  /** True by default. */
  hasRedis?: boolean
  /** False by default. */
  extend?: boolean
}>

type Slowness = Extract<Fault, { kind: 'slow' }>

/** A replica with delayed connections to Elasticsearch and Redis, and the faults that it can have. */
export function createSimulatedReplica(options: SimulatedReplicaOptions) {
  const { clock, directory, store, delay, clockAheadMs, keys, onWrite, hasRedis = true, extend = false } = options
  const rules = { ...defaultRules, extend }
  let isAlive = true
  let disconnectedUntil = 0
  let unsubscribedUntil = 0
  let otherUsers = 0
  let slowness: Slowness | undefined
  const never = new Promise<never>(() => {})
  const keyring = createKeyring(keys)
  const isDisconnected = () => clock.now() < disconnectedUntil

  /** A crashed replica neither sends nor receives. What it has sent before still arrives. */
  const checkAlive = async () => {
    if (!isAlive) await never
  }
  const toRedis = <A extends unknown[], T>(call: (...args: A) => Promise<T>) => {
    const check = async () => {
      await checkAlive()
      if (isDisconnected()) throw new Error('no Redis')
    }
    return async (...args: A): Promise<T> => {
      await check()
      await delay()
      await check()
      const result = await call(...args)
      await delay()
      await check()
      return result
    }
  }
  const toElasticsearch = <A extends unknown[], T>(call: (...args: A) => Promise<T>, name?: Slowness['call']) => {
    const slowDown = async (direction: Slowness['direction']) => {
      if (name !== undefined && slowness?.call === name && slowness.direction === direction)
        await clock.sleep(slowness.delayMs)
    }
    return async (...args: A): Promise<T> => {
      await checkAlive()
      await delay()
      await slowDown('request')
      const result = await call(...args)
      await delay()
      await slowDown('response')
      await checkAlive()
      return result
    }
  }
  const put = (username: string, user: UserToWrite) => {
    onWrite(username, user, keyring.currentId)
    return directory.put(username, user)
  }
  const remoteDirectory: UserDirectory = {
    get: toElasticsearch(directory.get, 'get'),
    put: toElasticsearch(put, 'put'),
    authenticate: toElasticsearch(directory.authenticate),
  }
  const remoteStore: SharedStore = {
    get: toRedis(store.get),
    compareAndSet: toRedis(store.compareAndSet),
    acquireLock: toRedis(store.acquireLock),
    releaseLock: toRedis(store.releaseLock),
    taint: toRedis(store.taint),
  }
  const now = () => clock.now() + clockAheadMs
  const sharedStates = createSharedCache({
    store: remoteStore,
    keys: keyring,
    rules,
    lockTtlMs,
    now,
    monotonicNow: clock.monotonicNow,
    sleep: clock.sleep,
  })
  const states = hasRedis ? sharedStates : noSharedStates
  const replica = createReplica(remoteDirectory, clock, { keys, states, rules, clockAheadMs, revalidateAfterMs: 3000 })
  store.onChange(async (username, stateId) => {
    await delay()
    if (hasRedis && isAlive && !isDisconnected() && clock.now() >= unsubscribedUntil)
      replica.noteChange(username, stateId)
  })
  /** Like a subscriber that connects again: it may have missed messages. */
  const revalidateAllAfter = (durationMs: number) =>
    void clock.sleep(durationMs).then(() => isAlive && replica.revalidateAll())

  return Object.freeze({
    now,
    isAlive: () => isAlive,
    isDisconnected: () => isAlive && isDisconnected(),
    crash() {
      isAlive = false
    },
    disconnect(durationMs: number) {
      disconnectedUntil = clock.now() + durationMs
      revalidateAllAfter(durationMs)
    },
    slowDown(fault: Slowness) {
      slowness = fault
    },
    missMessages(durationMs: number) {
      unsubscribedUntil = clock.now() + durationMs
      revalidateAllAfter(durationMs)
    },
    obtain: async (requested: Subject) => (await replica.obtainNow(requested)) as CachedCredential,
    deny() {
      if (isAlive) replica.deny(denied)
    },
    /** Makes a replica that was disconnected from Redis flush its pending invalidations. */
    requestAnotherUser() {
      if (isAlive) replica.obtain(subject({ username: `other-${otherUsers++}` })).catch(() => {})
    },
  })
}

export type SimulatedReplica = ReturnType<typeof createSimulatedReplica>
