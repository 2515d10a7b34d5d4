import type { Identity } from '../../../src/auth/identity.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { createMemorySessionStore } from '../../../src/sessions/memory-store.ts'
import type { GrantedTokens, RequestRefresh } from '../../../src/sessions/refresh.ts'
import { createSeal } from '../../../src/sessions/seal.ts'
import type { SessionEnd, SessionTimeouts } from '../../../src/sessions/session.ts'
import { createSessionSeal } from '../../../src/sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from '../../../src/sessions/sessions.ts'
import type { SessionStore } from '../../../src/sessions/store.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

export const minute = 60_000
export const hour = 60 * minute
const secret = '5eed'.padEnd(64, '0')

export type Provider = {
  /** By default, rotates refresh tokens, and revokes all of them on a replay. */
  requestRefresh: RequestRefresh
  /** The refresh tokens that the provider has received, in order. */
  received: string[]
  groups: readonly string[]
  /** What claims cause instead of an identity. */
  identityError?: Error
}

/** Replicas with a shared store that can fail, and a provider that grants tokens for five minutes. */
export function createReplicas(count = 1, timeouts: Partial<SessionTimeouts> = {}) {
  const clock = createFakeClock(1_790_000_000_000)
  const storeState: { fault?: Error | undefined; calls: number; beforePut?: () => Promise<void> } = { calls: 0 }
  const memory = createMemorySessionStore(1000, clock.now)
  const revokedUsers: string[] = []
  const seal = createSessionSeal(createSeal([secret], 'session'))
  const refreshFailures: unknown[] = []
  const failedUsers: (string | undefined)[] = []
  const ends: SessionEnd[] = []
  const valid = new Set(['r0'])
  const provider: Provider = {
    received: [],
    groups: ['staff'],
    requestRefresh: async (refreshToken) => {
      provider.received.push(refreshToken)
      if (!valid.delete(refreshToken)) {
        valid.clear()
        return 'rejected'
      }
      return grant(`r${provider.received.length}`)
    },
  }
  function grant(refreshToken: string): GrantedTokens {
    valid.add(refreshToken)
    const claims = { name: 'alice', groups: provider.groups }
    return { refreshToken, claims, fromUserinfo: [], isFresh: true, tokenExpiresAt: clock.now() + 5 * minute }
  }

  /** The times of the sign-ins of the sessions that were looked up. */
  const authenticatedAts: number[] = []
  const toIdentity = ({ name, groups }: Readonly<Record<string, unknown>>, authenticatedAt?: number): Identity => {
    if (authenticatedAt !== undefined) authenticatedAts.push(authenticatedAt)
    if (provider.identityError) throw provider.identityError
    if (typeof name !== 'string') throw new GatewayError('identity_invalid', 'no name')
    return Object.freeze({ username: name, groups: groups as string[], provider: 'oidc' })
  }
  const replicas: Sessions[] = []
  for (let i = 0; i < count; i++) replicas.push(createReplica())

  function createReplica(): Sessions {
    const sessions: Sessions = createSessions({
      store: wrap(memory),
      seal,
      timeouts: { idleTimeoutMs: hour, lifetimeMs: 8 * hour, graceMs: 5 * minute, ...timeouts },
      requestRefresh: (...args) => provider.requestRefresh(...args),
      toIdentity,
      now: clock.now,
      monotonicNow: clock.monotonicNow,
      sleep: clock.sleep,
      maxCached: 100,
      onRevoked: (username) => revokedUsers.push(username),
      onRefreshFailure: (error, username) => {
        refreshFailures.push(error)
        failedUsers.push(username)
      },
      onEnded: (end) => ends.push(end),
    })
    return sessions
  }

  /** Fails on demand, and sends the replicas the messages that Redis would send. */
  function wrap(store: SessionStore): SessionStore {
    const call = async <T>(work: () => Promise<T>): Promise<T> => {
      storeState.calls++
      if (storeState.fault) throw storeState.fault
      return work()
    }
    const publish = (key: string, type: 'changed' | 'ended') => {
      for (const sessions of replicas) sessions.handleEvent({ key, type, by: '' })
    }
    return {
      get: (...args) => call(() => store.get(...args)),
      has: (...args) => call(() => store.has(...args)),
      put: (...args) =>
        call(async () => {
          await storeState.beforePut?.()
          return store.put(...args)
        }),
      touch: (...args) => call(() => store.touch(...args)),
      lockRefresh: (...args) => call(() => store.lockRefresh(...args)),
      readDetails: (...args) => call(() => store.readDetails(...args)),
      setDescription: (...args) => call(() => store.setDescription(...args)),
      unlockRefresh: (...args) => call(() => store.unlockRefresh(...args)),
      addToIndex: (...args) => call(() => store.addToIndex(...args)),
      removeFromIndex: (...args) => call(() => store.removeFromIndex(...args)),
      listIndex: (...args) => call(() => store.listIndex(...args)),
      wasUsed: (...args) => call(() => store.wasUsed(...args)),
      useOnce: (...args) => call(() => store.useOnce(...args)),
      completeRefresh: (key, ...args) =>
        call(async () => {
          const isStored = await store.completeRefresh(key, ...args)
          if (isStored) publish(key, 'changed')
          return isStored
        }),
      delete: (key) =>
        call(async () => {
          const existed = await store.delete(key)
          publish(key, 'ended')
          return existed
        }),
    }
  }

  const login: Login = {
    subject: 'sub-alice',
    sid: 'sid-1',
    claims: { name: 'alice', groups: provider.groups },
    fromUserinfo: [],
    refreshToken: 'r0',
    idToken: 'id-token',
    tokenExpiresAt: clock.now() + 5 * minute,
  }
  return {
    authenticatedAts,
    clock,
    storeState,
    seal,
    memory,
    provider,
    grant,
    sessions: replicas[0]!,
    replicas,
    createReplica,
    revokedUsers,
    refreshFailures,
    failedUsers,
    ends,
    login,
  }
}
