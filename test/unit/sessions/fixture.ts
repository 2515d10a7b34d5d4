import type { Identity } from '../../../src/auth/identity.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { createMemorySessionStore } from '../../../src/sessions/memory-store.ts'
import type { GrantedTokens, RequestRefresh } from '../../../src/sessions/refresh.ts'
import { createSeal } from '../../../src/sessions/seal.ts'
import type { SessionTimeouts } from '../../../src/sessions/session.ts'
import { createSessionSeal } from '../../../src/sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from '../../../src/sessions/sessions.ts'
import type { SessionStore } from '../../../src/sessions/store.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

export const minute = 60_000
export const hour = 60 * minute
const secret = '5eed'.padEnd(64, '0')

export type Provider = {
  /** How it answers a refresh. By default as a provider that rotates refresh tokens, and revokes all when one comes twice. */
  redeem: RequestRefresh
  /** The refresh tokens it was shown, in order. */
  seen: string[]
  groups: readonly string[]
}

/** Replicas that share a store that can be made to fail, and a provider whose tokens live five minutes. */
export function createReplicas(count = 1, timeouts: Partial<SessionTimeouts> = {}) {
  const clock = createFakeClock(1_790_000_000_000)
  const fault: { store?: Error | undefined; calls: number } = { calls: 0 }
  const memory = createMemorySessionStore(1000, clock.now)
  const ended: string[] = []
  const sealed = createSessionSeal(createSeal([secret], 'session'))
  const failures: unknown[] = []
  const valid = new Set(['r0'])
  const provider: Provider = {
    seen: [],
    groups: ['staff'],
    redeem: async (refreshToken) => {
      provider.seen.push(refreshToken)
      if (!valid.delete(refreshToken)) {
        valid.clear()
        return 'rejected'
      }
      return grant(`r${provider.seen.length}`)
    },
  }
  function grant(refreshToken: string): GrantedTokens {
    valid.add(refreshToken)
    const claims = { name: 'alice', groups: provider.groups }
    return { refreshToken, claims, fromUserinfo: [], isFresh: true, tokenExpiresAt: clock.now() + 5 * minute }
  }

  const toIdentity = ({ name, groups }: Readonly<Record<string, unknown>>): Identity => {
    if (typeof name !== 'string') throw new GatewayError('identity_invalid', 'no name')
    return Object.freeze({ username: name, groups: groups as string[], provider: 'oidc' })
  }
  const all: Sessions[] = []
  for (let i = 0; i < count; i++) all.push(createReplica())

  function createReplica(): Sessions {
    const sessions: Sessions = createSessions({
      store: faulty(memory),
      seal: sealed,
      timeouts: { idleTimeoutMs: hour, lifetimeMs: 8 * hour, graceMs: 5 * minute, ...timeouts },
      requestRefresh: (...args) => provider.redeem(...args),
      toIdentity,
      now: clock.now,
      monotonicNow: clock.monotonicNow,
      sleep: clock.sleep,
      maxCached: 100,
      onRevoked: (username) => ended.push(username),
      onRefreshFailure: (error) => failures.push(error),
    })
    return sessions
  }

  /** Fails on demand, and tells the replicas what Redis would. */
  function faulty(store: SessionStore): SessionStore {
    const call = async <T>(work: () => Promise<T>): Promise<T> => {
      fault.calls++
      if (fault.store) throw fault.store
      return work()
    }
    const tell = (key: string, type: 'changed' | 'ended') => {
      for (const sessions of all) sessions.handleEvent({ key, type, by: '' })
    }
    return {
      get: (...args) => call(() => store.get(...args)),
      has: (...args) => call(() => store.has(...args)),
      put: (...args) => call(() => store.put(...args)),
      touch: (...args) => call(() => store.touch(...args)),
      lockRefresh: (...args) => call(() => store.lockRefresh(...args)),
      unlockRefresh: (...args) => call(() => store.unlockRefresh(...args)),
      addToIndex: (...args) => call(() => store.addToIndex(...args)),
      removeFromIndex: (...args) => call(() => store.removeFromIndex(...args)),
      listIndex: (...args) => call(() => store.listIndex(...args)),
      useOnce: (...args) => call(() => store.useOnce(...args)),
      completeRefresh: (key, ...args) =>
        call(async () => {
          const isDone = await store.completeRefresh(key, ...args)
          if (isDone) tell(key, 'changed')
          return isDone
        }),
      delete: (key) =>
        call(async () => {
          const wasThere = await store.delete(key)
          tell(key, 'ended')
          return wasThere
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
    clock,
    fault,
    sealed,
    memory,
    provider,
    grant,
    sessions: all[0]!,
    all,
    createReplica,
    ended,
    failures,
    login,
  }
}
