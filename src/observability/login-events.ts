import { toIp } from '../../config/hosts.ts'
import type { Identity } from '../auth/identity.ts'
import type { MapRoles } from '../auth/roles.ts'
import { asGatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { logEvent } from './events.ts'
import type { Logger } from './log.ts'
import { boundName, signInNames } from './logged-names.ts'

type Claims = Readonly<Record<string, unknown>>
type SessionEnd = Readonly<{ username: string | undefined; reason: keyof typeof endings }>
/** What the provider says about a user, for a sign-in or in a session. */
type Granted = Readonly<{ subject: string; claims: Claims }>

/** Logs what happens to sign-ins and sessions. @param toIdentity throws if the claims give no identity */
export function createLoginReporter(log: Logger, toIdentity: (claims: Claims) => Identity) {
  return Object.freeze({
    /**
     * @param mapRoles throws for a user who gets no roles; the user's next request is then denied
     * @returns the username, as it may be logged
     */
    signedIn({ subject, claims }: Granted, mapRoles: MapRoles, context: RequestContext): string {
      const identity = toIdentity(claims)
      const username = boundName(identity.username)
      const { groups, provider } = identity
      const roles = attempt(() => mapRoles(identity)) ?? []
      const user = { 'user.name': username, 'user.id': boundName(subject), ...signInNames({ roles, groups }) }
      const fields = { ...user, 'elastauth.provider': provider, ...requestFieldsOf(context) }
      logEvent(log, 'user_signed_in', fields, `user ${username}: signed in`)
      return username
    },

    signedOut({ subject, claims }: Granted, context: RequestContext): void {
      const username = attempt(() => boundName(toIdentity(claims).username))
      const id = boundName(subject)
      const fields = { 'user.name': username, 'user.id': id, ...requestFieldsOf(context) }
      logEvent(log, 'user_signed_out', fields, `user ${username ?? id}: signed out`)
    },

    signedOutAtProvider(count: number, subject: string | undefined, context: RequestContext): void {
      const id = subject && boundName(subject)
      const fields = { 'event.reason': 'provider_logout', 'user.id': id, ...requestFieldsOf(context) }
      logEvent(log, 'session_ended', fields, `the provider ended ${countOf(count)} (back-channel logout)`)
    },

    /** The user has ended own sessions at `/elastauth/account`. */
    endedByUser(count: number, username: string, context: RequestContext): void {
      const fields = { 'event.reason': 'ended_by_user', 'user.name': username, ...requestFieldsOf(context) }
      logEvent(log, 'session_ended', fields, `user ${username}: ended ${countOf(count)} on the account page`)
    },

    endedByAdministrator(
      count: number,
      { administrator, username }: Readonly<{ administrator: string; username: string }>,
      context: RequestContext,
    ): void {
      const users = { 'user.name': administrator, 'user.target.name': username }
      const fields = { 'event.reason': 'ended_by_administrator', ...users, ...requestFieldsOf(context) }
      logEvent(log, 'session_ended', fields, `user ${administrator}: ended ${countOf(count)} of user ${username}`)
    },

    sessionEnded({ username, reason }: SessionEnd): void {
      const name = username && boundName(username)
      const fields = { 'event.reason': reason, 'user.name': name }
      logEvent(
        log,
        'session_ended',
        fields,
        `user ${name ?? '(unknown)'}: the session ended, because ${endings[reason]}`,
      )
    },

    refreshFailed(error: unknown, username: string | undefined): void {
      const { code, detail } = asGatewayError(error)
      const fields = { 'error.code': code, 'event.reason': code, 'user.name': username && boundName(username) }
      logEvent(log, 'refresh_failed', fields, `cannot refresh a session: ${detail}`)
    },
  })
}

/** @param username undefined if the user does not exist */
export function reportRejectedPassword(log: Logger, username: string | undefined, context: RequestContext): void {
  const fields = { 'user.name': username, ...requestFieldsOf(context) }
  const message = `user ${username ?? '(unknown)'}: the username or the password of the sign-in form is wrong`
  logEvent(log, 'password_rejected', fields, message)
}

const endings = {
  refresh_rejected: 'the provider rejected its refresh token',
  claims_unusable: 'its refreshed claims give no valid identity',
  user_changed: 'the user has been removed, disabled or changed',
  idle_timeout: 'it was not used for session.idle_timeout',
  lifetime: 'session.lifetime has passed',
  too_many_sessions: 'the user has too many sessions',
}

function requestFieldsOf({ id, clientAddress, request }: RequestContext) {
  return { 'http.request.id': id, 'client.ip': clientAddress, 'source.ip': toIp(request.socket.remoteAddress) }
}

function countOf(count: number): string {
  return count === 1 ? 'a session' : `${count} sessions`
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
