import type { IncomingMessage } from 'node:http'
import type { MaybePromise } from '../async/maybe-promise.ts'
import type { Identity } from '../auth/identity.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { readCookie, readCookies, sessionCookie } from './cookies.ts'

const idLength = 43

/** The id in a request's session cookie, if it may be one. */
export function sessionIdOf({ headers }: IncomingMessage): string | undefined {
  const id = readCookie(headers.cookie, sessionCookie)
  return id?.length === idLength ? id : undefined
}

/** Maximum of session cookies per request whose sessions a logout or a new session ends. */
const maxEnded = 4

/** The ids in all session cookies of a request. If there are several, none authenticates, but a logout ends them all. */
export function sessionIdsOf({ headers }: IncomingMessage): readonly string[] {
  const ids = readCookies(headers.cookie, sessionCookie, maxEnded).filter(({ length }) => length === idLength)
  return [...new Set(ids)]
}

/**
 * The identity of a request's session. Throws, or rejects with, GatewayError sessions_unavailable, provider_unavailable,
 * identity_invalid.
 */
export function createSessionOf(sessions: Pick<Sessions, 'find'>) {
  return function sessionOf(request: IncomingMessage): MaybePromise<Identity | undefined> {
    const id = sessionIdOf(request)
    return id === undefined ? undefined : sessions.find(id)
  }
}
