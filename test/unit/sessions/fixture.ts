import type { Identity } from '../../../src/auth/identity.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { createMemorySessionStore } from '../../../src/sessions/memory-store.ts'
import type { Granted, Redeem } from '../../../src/sessions/refresh.ts'
import { createSeal } from '../../../src/sessions/seal.ts'
import type { SessionRules } from '../../../src/sessions/session.ts'
import { createSessionSeal } from '../../../src/sessions/session-seal.ts'
import { createSessions, type Login, type Sessions } from '../../../src/sessions/sessions.ts'
import type { SessionStore } from '../../../src/sessions/store.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

export const minute = 60_000
export const hour = 60 * minute
const secret = '5eed'.padEnd(64, '0')

export type Provider = {
  /** How it answers a refresh. By default as a provider that rotates refresh tokens, and revokes all when one comes twice. */
  redeem: Redeem
  /** The refresh tokens it was shown, in order. */
  seen: string[]
  groups: readonly string[]
}

/** Replicas that share a store that can be made to fail, and a provider whose tokens live five minutes. */
export function createReplicas(count = 1, rules: Partial<SessionRules> = {}) {
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
        return 'refused'
      }
      return grant(`r${provider.seen.length}`)
    },
  }
  function grant(refreshToken: string): Granted {
    valid.add(refreshToken)
    const claims = { name: 'alice', groups: provider.groups }
    return { refreshToken, claims, fromUserinfo: [], isFresh: true, tokenEnd: clock.now() + 5 * minute }
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
      rules: { idleTimeout: hour, lifetime: 8 * hour, grace: 5 * minute, ...rules },
      redeem: (...args) => provider.redeem(...args),
      toIdentity,
      now: clock.now,
      monotonicNow: clock.monotonicNow,
      sleep: clock.sleep,
      maxKnown: 100,
      onEnded: (username) => ended.push(username),
      onFailure: (error) => failures.push(error),
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
    const tell = (key: string, what: 'changed' | 'ended') => {
      for (const sessions of all) sessions.note({ key, what, by: '' })
    }
    return {
      get: (...args) => call(() => store.get(...args)),
      has: (...args) => call(() => store.has(...args)),
      put: (...args) => call(() => store.put(...args)),
      touch: (...args) => call(() => store.touch(...args)),
      claim: (...args) => call(() => store.claim(...args)),
      release: (...args) => call(() => store.release(...args)),
      enlist: (...args) => call(() => store.enlist(...args)),
      delist: (...args) => call(() => store.delist(...args)),
      list: (...args) => call(() => store.list(...args)),
      once: (...args) => call(() => store.once(...args)),
      finish: (key, ...args) =>
        call(async () => {
          const isDone = await store.finish(key, ...args)
          if (isDone) tell(key, 'changed')
          return isDone
        }),
      end: (key) =>
        call(async () => {
          const wasThere = await store.end(key)
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
    tokenEnd: clock.now() + 5 * minute,
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
