import { LRUCache } from 'lru-cache'
import { clientNetwork } from '../../config/hosts.ts'
import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import { limitEntries } from '../async/lru-limit.ts'
import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'

/** How often something may be tried in a time; then it is blocked for another time. */
export type AttemptLimit = Readonly<{ max: number; windowMs: number; blockMs: number }>

/** Counts attempts by key. Every function may reject; then the counters of this process are used. */
export type AttemptStore = Readonly<{
  /** Counts one more attempt. `endsInMs` says when the counter starts again. */
  add: (key: string, limit: AttemptLimit) => Promise<Readonly<{ count: number; endsInMs: number }>>
  /** Takes back one attempt, or forgets all. */
  remove: (key: string, which: 'one' | 'all') => Promise<void>
  /** From now on, `has` resolves to true for this time. */
  remember: (key: string, ttlMs: number) => Promise<void>
  has: (key: string) => Promise<boolean>
}>

const minute = 60_000

/** For one user from one network. */
const pairLimit: AttemptLimit = { max: 5, windowMs: 2 * minute, blockMs: 5 * minute }
/** For all users from one network. */
const networkLimit: AttemptLimit = { max: 50, windowMs: 2 * minute, blockMs: 5 * minute }
/** For one user from all networks that the user has not signed in from: further attempts are only delayed. */
const userLimit: AttemptLimit = { max: 20, windowMs: 2 * minute, blockMs: 2 * minute }
const delayMs = 2000
/** How many attempts are delayed at a time; further ones are rejected. */
const maxDelayed = 256
/**
 * How many attempts a provider may have pending. This is more than can be delayed and queued together, so that these never take all
 * places: before an attempt has a place, it is not known whether its network is familiar.
 */
export const maxPendingAttempts = 1024
/** How long after the last sign-in a network counts as one that the user has signed in from. */
const familiarMs = 30 * 24 * 60 * minute
const renewAfterMs = 24 * 60 * minute

const maxKeys = 100_000

export type LimitReached = Readonly<{ reason: 'user_network' | 'network' | 'user'; username?: string; network: string }>

export type AttemptLimitsOptions = Readonly<{
  /** The counters that replicas share; undefined if each has its own. */
  shared?: AttemptStore | undefined
  /** Called once for each block, and once when attempts begin to be delayed. */
  onLimitReached: (reached: LimitReached) => void
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<unknown>
}>

/** An attempt that may be made, and has been counted. */
export type Attempt = Readonly<{
  /** Whether the user has signed in from this network before. */
  isFamiliar: boolean
  failed: () => void
  /** Forgets the user's failures from this network, and remembers the network. */
  succeeded: () => Promise<void>
  /** For an attempt that was not made. */
  canceled: () => Promise<void>
}>

export type AttemptLimits = ReturnType<typeof createAttemptLimits>

/**
 * Bounds guessing. An attempt is counted before the password is hashed, so that concurrent attempts do not all pass. No client can
 * lock out a person elsewhere: failures from other networks delay a user's attempts, and only from networks that the user has not
 * signed in from.
 */
export function createAttemptLimits({ shared, onLimitReached, monotonicNow, sleep }: AttemptLimitsOptions) {
  const store = withFallback(shared, createMemoryAttempts(monotonicNow))
  /** The networks that users have signed in from, apart from `store`, because guesses would displace them in memory. */
  const familiarNetworks = withFallback(shared, createMemoryAttempts(monotonicNow))
  /**
   * Attempts from blocked networks, which can invent any number of usernames: they neither fill the shared store nor displace
   * the counters of other networks.
   */
  const fromBlocked = createMemoryAttempts(monotonicNow)
  /** Until when a user is blocked from a network, so that further attempts cost no call. */
  const blocked = new LRUCache<string, number>(limitEntries(maxKeys))

  const limitDelayed = createConcurrencyLimit({ maxConcurrent: maxDelayed, maxQueued: 0, onQueueFull: tooManyDelayed })

  /** When `renew` last wrote, so that it does not write for each request. */
  const renewed = new LRUCache<string, number>(limitEntries(maxKeys))

  function checkKey(key: string): void {
    const endsInMs = (blocked.get(key) ?? 0) - monotonicNow()
    if (endsInMs > 0) throw tooManyAttempts(endsInMs)
  }

  async function countPair({ add }: AttemptStore, key: string) {
    const { count, endsInMs } = await add(key, pairLimit)
    if (count <= pairLimit.max) return { count, blockedMs: 0 }
    blocked.set(key, monotonicNow() + endsInMs)
    return { count, blockedMs: endsInMs }
  }

  async function countNetwork(key: string) {
    const { count, endsInMs } = await store.add(key, networkLimit)
    return { count, blockedMs: count <= networkLimit.max ? 0 : endsInMs }
  }

  /** Counts an attempt. Rejects with GatewayError too_many_attempts or overloaded. */
  async function begin(username: string, network: string): Promise<Attempt> {
    const keys = keysOf(username, network)
    const ofNetwork = await countNetwork(keys.network)
    if (ofNetwork.blockedMs > 0) {
      // Otherwise many people who sign in at once behind one address would block it, although no password was wrong.
      void store.remove(keys.network, 'one')
      const { blockedMs } = await countPair(fromBlocked, keys.pair)
      throw tooManyAttempts(Math.max(blockedMs, ofNetwork.blockedMs))
    }
    const [ofPair, isFamiliar] = await Promise.all([countPair(store, keys.pair), familiarNetworks.has(keys.familiar)])
    if (ofPair.blockedMs > 0) throw tooManyAttempts(ofPair.blockedMs)
    const ofUser = isFamiliar ? 0 : (await store.add(keys.user, userLimit)).count
    const takeBack = () => [store.remove(keys.network, 'one'), isFamiliar ? undefined : store.remove(keys.user, 'one')]
    const attempt = Object.freeze<Attempt>({
      isFamiliar,
      failed() {
        if (ofPair.count === pairLimit.max) onLimitReached({ reason: 'user_network', username, network })
        if (ofNetwork.count === networkLimit.max) onLimitReached({ reason: 'network', network })
      },
      async succeeded() {
        await Promise.all([
          store.remove(keys.pair, 'all'),
          familiarNetworks.remember(keys.familiar, familiarMs),
          ...takeBack(),
        ])
      },
      async canceled() {
        await Promise.all([store.remove(keys.pair, 'one'), ...takeBack()])
      },
    })
    if (ofUser <= userLimit.max) return attempt
    try {
      await limitDelayed(() => {
        if (ofUser === userLimit.max + 1) onLimitReached({ reason: 'user', username, network })
        return sleep(delayMs)
      })
    } catch (error) {
      await attempt.canceled()
      throw error
    }
    return attempt
  }

  return Object.freeze({
    begin,
    /** Keeps the network familiar after a sign-in that was not counted, because the credential was right before. */
    async renew(username: string, network: string): Promise<void> {
      const key = keysOf(username, network).familiar
      if (monotonicNow() - (renewed.get(key) ?? Number.NEGATIVE_INFINITY) < renewAfterMs) return
      renewed.set(key, monotonicNow())
      await familiarNetworks.remember(key, familiarMs)
    },
    /** Throws GatewayError too_many_attempts if this process knows that the user is blocked from this network. */
    check(username: string, network: string): void {
      if (blocked.size > 0) checkKey(keysOf(username, network).pair)
    },
  })
}

function keysOf(username: string, network: string) {
  return {
    pair: `pair ${username} ${network}`,
    network: `network ${network}`,
    familiar: `familiar ${username} ${network}`,
    user: `user ${username}`,
  }
}

/** For clients whose address is unknown, such as those of a unix socket whose proxy does not send it. They count as one network. */
export const unknownNetwork = 'unknown'

export function networkOf({ clientAddress }: Pick<RequestContext, 'clientAddress'>): string {
  return clientAddress === undefined ? unknownNetwork : clientNetwork(clientAddress)
}

function tooManyAttempts(endsInMs: number): GatewayError {
  const retryAfterSeconds = Math.ceil(endsInMs / 1000)
  return new GatewayError('too_many_attempts', `blocked for another ${retryAfterSeconds} s`, { retryAfterSeconds })
}

function tooManyDelayed(): GatewayError {
  return new GatewayError('overloaded', `${maxDelayed} other attempts to sign in are being delayed`)
}

/** If the shared store fails, as while Redis is down, each replica counts on its own. */
function withFallback(shared: AttemptStore | undefined, local: AttemptStore): AttemptStore {
  if (shared === undefined) return local
  return Object.freeze<AttemptStore>({
    add: (key, limit) => shared.add(key, limit).catch(() => local.add(key, limit)),
    remove: (key, which) => shared.remove(key, which).catch(() => local.remove(key, which)),
    remember: (key, ttlMs) => shared.remember(key, ttlMs).catch(() => local.remember(key, ttlMs)),
    has: (key) => shared.has(key).catch(() => local.has(key)),
  })
}

/** Counters in memory. The least recently used one is dropped first. */
export function createMemoryAttempts(monotonicNow: () => number): AttemptStore {
  type Counter = { count: number; endsAtMs: number }
  const counters = new LRUCache<string, Counter>(limitEntries(maxKeys))
  const find = (key: string) => {
    const counter = counters.get(key)
    return counter !== undefined && counter.endsAtMs > monotonicNow() ? counter : undefined
  }
  return Object.freeze<AttemptStore>({
    async add(key, { max, windowMs, blockMs }) {
      const counter = find(key) ?? { count: 0, endsAtMs: monotonicNow() + windowMs }
      counter.count++
      if (counter.count === max) counter.endsAtMs = monotonicNow() + blockMs
      counters.set(key, counter)
      return { count: counter.count, endsInMs: counter.endsAtMs - monotonicNow() }
    },
    async remove(key, which) {
      const counter = find(key)
      if (which === 'all') counters.delete(key)
      else if (counter !== undefined && counter.count > 0) counter.count--
    },
    async remember(key, ttlMs) {
      counters.set(key, { count: 1, endsAtMs: monotonicNow() + ttlMs })
    },
    async has(key) {
      return find(key) !== undefined
    },
  })
}
