import type { IncomingMessage } from 'node:http'
import type { MaybePromise } from '../async/maybe-promise.ts'
import type { Identity } from '../auth/identity.ts'
import { readCookie, readCookies } from '../http/cookies.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { sessionCookie } from './cookies.ts'

const idLength = 43

/** The id in the session cookie of a request; undefined if its length is wrong or the cookie is ambiguous. */
export function sessionIdOf({ headers }: IncomingMessage): string | undefined {
  const id = readCookie(headers.cookie, sessionCookie)
  return id?.length === idLength ? id : undefined
}

/** Maximum number of session cookies per request that a logout or a new sign-in revokes. */
const maxEnded = 4

/** The ids in all session cookies of a request. Several cookies authenticate no user, but a logout ends all of the sessions. */
export function sessionIdsOf({ headers }: IncomingMessage): readonly string[] {
  const ids = readCookies(headers.cookie, sessionCookie, maxEnded).filter(({ length }) => length === idLength)
  return [...new Set(ids)]
}

/**
 * Finds the identity of a request's session. Throws, or rejects with, GatewayError sessions_unavailable, provider_unavailable,
 * identity_invalid.
 */
export function createFindSession(sessions: Pick<Sessions, 'find'>) {
  return function findSession(request: IncomingMessage): MaybePromise<Identity | undefined> {
    const id = sessionIdOf(request)
    return id === undefined ? undefined : sessions.find(id)
  }
}
