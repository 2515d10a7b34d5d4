import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import type { SessionDescription } from './session.ts'
import { indexOf } from './session-id.ts'
import type { SessionSeal } from './session-seal.ts'
import type { SessionStore } from './store.ts'
import { orUnavailable } from './store-error.ts'

/** A session as its user and administrators see it. Times in milliseconds since 1970; undefined if unknown. */
export type UserSession = Readonly<{
  /** The key in the store: a hash of the id in the cookie, which cannot be used to sign in. */
  id: string
  /** At most half a minute old for a session that is in use. */
  usedAt: number | undefined
}> &
  Pick<SessionDescription, 'signedInAt' | 'browser'>

/** The sessions of a username. Every function rejects with GatewayError sessions_unavailable. */
export type UserSessions = Readonly<{
  /** The sessions of a user, the most recently used first. */
  list: (username: string) => Promise<readonly UserSession[]>
  /** Ends one session. Resolves to false if the user has no such session, for example because it is another user's. */
  end: (username: string, id: string) => Promise<boolean>
  /** Ends all sessions of a user. Resolves to the number of sessions that it has ended. @param except the id of one to keep */
  endAll: (username: string, except?: string) => Promise<number>
}>

export type UserSessionsOptions = Readonly<{
  store: Pick<SessionStore, 'listIndex' | 'removeFromIndex' | 'readDetails'>
  seal: Pick<SessionSeal, 'openDescription'>
  /** Deletes a session by its key, and tells all replicas. Resolves to false if there was no such session. */
  revoke: SessionStore['delete']
}>

/** Calls for all lists together: with a thousand at once, the last would exceed the timeout of Redis, which counts as an outage. */
const maxConcurrentCalls = 50

/** Needs no replica: a command can list and end sessions through the shared store. */
export function createUserSessions({ store, seal, revoke }: UserSessionsOptions): UserSessions {
  const limit = createConcurrencyLimit({ maxConcurrent: maxConcurrentCalls })

  /** @returns undefined for a session of another user, `absent` for one that has ended or is not stored yet */
  async function read(username: string, id: string): Promise<UserSession | 'absent' | undefined> {
    const details = await store.readDetails(id)
    if (details === undefined) return 'absent'
    const { description, usedAt } = details
    if (description === undefined) return { id, usedAt, signedInAt: undefined, browser: undefined }
    const opened = seal.openDescription(id, description)
    // The index may have a session whose username has changed since, or one of an installation with another secret key.
    if (opened?.username !== username) return undefined
    const { signedInAt, browser } = opened
    return { id, usedAt: usedAt ?? signedInAt, signedInAt, browser }
  }

  async function readAll(username: string) {
    const ids = await store.listIndex(indexOf('user', username))
    return Promise.all(ids.map(async (id) => ({ id, session: await limit(() => read(username, id)) })))
  }

  return Object.freeze<UserSessions>({
    list: (username) =>
      orUnavailable(async () => {
        const sessions = (await readAll(username)).map(({ session }) => session)
        return sessions
          .filter((session) => session !== undefined && session !== 'absent')
          .sort((a, b) => (b.usedAt ?? 0) - (a.usedAt ?? 0))
      }),
    end: (username, id) =>
      orUnavailable(async () => {
        const ids = await store.listIndex(indexOf('user', username))
        const session = ids.includes(id) ? await read(username, id) : undefined
        return session !== undefined && session !== 'absent' && revoke(id)
      }),
    endAll: (username, except) =>
      orUnavailable(async () => {
        let count = 0
        for (;;) {
          // One that is absent may be about to be stored by a sign-in.
          const own = (await readAll(username)).filter(({ id, session }) => session !== undefined && id !== except)
          if (own.length === 0) return count
          const ids = own.map(({ id }) => id)
          count += (await Promise.all(ids.map((id) => limit(() => revoke(id))))).filter(Boolean).length
          await store.removeFromIndex(indexOf('user', username), ids) // a list may be longer than what one call reads
        }
      }),
  })
}
