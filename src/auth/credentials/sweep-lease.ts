import { randomBytes } from 'node:crypto'
import type { SharedStore } from './shared-cache.ts'

/** Lets one replica at a time sweep. No function rejects. */
export type SweepLease = Readonly<{
  /** @returns undefined while another replica sweeps */
  begin: () => Promise<SweepTurn | undefined>
}>

export type SweepTurn = Readonly<{
  /** Up to when a replica has swept, in milliseconds since 1970, if known. */
  sweptUntil: number | undefined
  renew: () => Promise<void>
  end: (sweptUntil: number) => Promise<void>
}>

/** Without a shared cache every replica sweeps: they write the same passwords. */
export const noSweepLease: SweepLease = Object.freeze({
  begin: async () => alone,
})

const alone: SweepTurn = Object.freeze({ sweptUntil: undefined, renew: async () => {}, end: async () => {} })

/** No user can have this name (see config/identity-limits.ts). */
const leaseName = '~idle-sweep'
/** Longer than a page of users takes if each one is written. */
const leaseMs = 5 * 60_000
const rememberedMs = 30 * 24 * 60 * 60_000

/** The same atomic steps as for a user's lock (cache/l2.ts): a marker while a replica sweeps, else the time up to which one did. */
export function createSweepLease(store: SharedStore): SweepLease {
  return Object.freeze({
    async begin() {
      const token = randomBytes(6).toString('base64url')
      try {
        const value = await store.get(leaseName)
        const claim = { username: leaseName, expected: value, token, ttlMs: leaseMs, force: false }
        if ((await store.claim(claim)) !== 'granted') return undefined
        const put = (next: string, ttlMs: number) =>
          store.finish({ username: leaseName, token, value: next, ttlMs, stateId: '', taintTtlMs: 1 }).catch(() => {}) // then the lock expires
        return {
          sweptUntil: /^until \d{1,15}$/.test(value) ? Number(value.slice('until '.length)) : undefined,
          renew: () => put(`!${token}`, leaseMs),
          end: (sweptUntil: number) =>
            Number.isFinite(sweptUntil) ? put(`until ${sweptUntil}`, rememberedMs) : put('', 1),
        }
      } catch {
        return alone // without Redis
      }
    },
  })
}
