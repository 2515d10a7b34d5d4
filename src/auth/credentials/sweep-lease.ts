import { randomBytes } from 'node:crypto'
import type { LifecycleRules } from './lifecycle.ts'
import type { Keyring } from './password.ts'
import type { SharedStore } from './shared-store.ts'

/** Lets one replica at a time sweep idle users. No function rejects. */
export type SweepLease = Readonly<{
  /** @returns undefined while another replica holds the lease */
  acquire: () => Promise<HeldLease | undefined>
}>

export type HeldLease = Readonly<{
  /** The time up to which a replica has swept, in milliseconds since 1970, if known. */
  sweptUntil: number | undefined
  renew: () => Promise<void>
  release: (sweptUntil: number) => Promise<void>
}>

/** For replicas without a shared cache. Every replica sweeps, which is safe because all of them write the same passwords. */
export const noSweepLease: SweepLease = Object.freeze({
  acquire: async () => unsharedLease,
})

const unsharedLease: HeldLease = Object.freeze({
  sweptUntil: undefined,
  renew: async () => {},
  release: async () => {},
})

/** No user can have this name (see config/identity-limits.ts). */
const leaseName = '~idle-sweep'
/** Longer than it takes to sweep one page of users. The lease is renewed after each page. */
const leaseTtlMs = 5 * 60_000
const progressTtlMs = 30 * 24 * 60 * 60_000

type IdleRules = Pick<LifecycleRules, 'expirationMs' | 'rotationPauseMs'>

/**
 * Stores the lease in the shared store, like the lock of a user. The value is a lock while a replica sweeps, and the time of
 * the last sweep otherwise. The rules that decide when a user becomes idle, and the ids of the secret keys, are stored with the
 * time: under shorter rules or other keys, users whom no replica has swept would count as swept.
 */
export function createSweepLease(store: SharedStore, rules: IdleRules, keys: Pick<Keyring, 'ids'>): SweepLease {
  const progress = createProgress(rules, keys)
  return Object.freeze({
    async acquire() {
      const token = randomBytes(6).toString('base64url')
      try {
        const value = await store.get(leaseName)
        const lock = { username: leaseName, expected: value, token, ttlMs: leaseTtlMs, force: false }
        const isAcquired = (await store.acquireLock(lock)) === 'acquired'
        return isAcquired ? createHeldLease(store, token, progress, value) : undefined
      } catch {
        return unsharedLease // while Redis is unreachable
      }
    },
  })
}

function createHeldLease(store: SharedStore, token: string, progress: Progress, previous: string): HeldLease {
  /** Never rejects: if this fails, the lease expires. */
  const replaceLock = (value: string, ttlMs: number) =>
    store.releaseLock({ username: leaseName, token, value, ttlMs, stateId: '', taintTtlMs: 1 }).catch(() => {})
  return Object.freeze({
    sweptUntil: progress.parse(previous),
    renew: () => replaceLock(`!${token}`, leaseTtlMs), // the same lock, with the full TTL
    release: (until: number) =>
      Number.isFinite(until) ? replaceLock(progress.format(until), progressTtlMs) : replaceLock('', 1),
  })
}

type Progress = ReturnType<typeof createProgress>

function createProgress({ expirationMs, rotationPauseMs }: IdleRules, { ids }: Pick<Keyring, 'ids'>) {
  const conditions = `expiration ${expirationMs} pause ${rotationPauseMs} keys ${ids.join()}`
  return Object.freeze({
    format: (sweptUntil: number) => `until ${sweptUntil} ${conditions}`,
    /** The time in a value that was formatted under the same conditions; undefined for any other value. */
    parse(value: string): number | undefined {
      const [, time, others] = /^until (\d{1,15}) (.+)$/.exec(value) ?? []
      return others === conditions ? Number(time) : undefined
    },
  })
}
