import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import type { Authentication } from '../auth/authenticate.ts'
import { adminMethods, createAdminEndpoint } from '../endpoints/admin/admin.ts'
import { createAuthorizeAdmin } from '../endpoints/authorize-admin.ts'
import { accountPage } from '../endpoints/html/account-page.ts'
import { adminPath } from '../endpoints/openapi.ts'
import { errorTable, GatewayError } from '../http/errors.ts'
import { type Endpoint, readMethods } from '../http/handler.ts'
import type { RequestContext } from '../http/request-context.ts'
import { type AccountOptions, accountPath, createAccountEndpoint } from '../login/account.ts'
import type { OriginOf } from '../login/origin.ts'
import { sessionIdsOf } from '../login/session-cookie.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { UserSessions } from '../sessions/user-sessions.ts'
import type { LoginEvents } from './login-metrics.ts'

export type SessionEndpointsOptions = Pick<AccountOptions, 'findSession'> &
  Readonly<{ sessions: Sessions; events: Pick<LoginEvents, 'endedByUser' | 'endedByAdministrator'> }>

/** What depends on reloadable keys. */
export type SessionEndpointsDeps = Readonly<{
  originOf: OriginOf
  authentication: Authentication
  adminRoles: readonly string[]
}>

/** How many lists, each with up to 1,000 sessions, are read at a time, and how many more requests may wait. */
const maxConcurrent = 8
const maxQueued = 64

/** The endpoints at which users and administrators see and end sessions. */
export function createSessionEndpoints({ findSession, sessions: all, events }: SessionEndpointsOptions) {
  const sessions = { ofUser: limitConcurrency(all.ofUser), revoke: all.revoke }
  // A limit of their own, so that no user can keep administrators from ending the user's sessions.
  const forAdministrators = limitConcurrency(all.ofUser)
  return function sessionEndpoints({ originOf, authentication, adminRoles }: SessionEndpointsDeps) {
    const { describeUser, authenticate } = authentication

    /** Another error, such as that of an outage, must not keep users from ending their sessions. */
    async function rejectRevoked(context: RequestContext): Promise<void> {
      try {
        await authenticate(context)
      } catch (error) {
        if (!(error instanceof GatewayError) || error.code !== 'revoked') return
        for (const id of sessionIdsOf(context.request)) await all.revoke(id)
        throw error
      }
    }

    const account = createAccountEndpoint({
      describeUser,
      findSession,
      rejectRevoked,
      sessions,
      originOf,
      page: ({ denial, ...content }) =>
        accountPage({ ...content, denial: denial && errorTable[denial].message, now: Date.now() }),
      onEnded: events.endedByUser,
    })
    const endpoints = new Map<string, Endpoint>([[accountPath, { methods: [...readMethods, 'POST'], handle: account }]])
    if (adminRoles.length === 0) return endpoints
    const admin = createAdminEndpoint({
      // With the credential, which a user who was revoked or disabled does not get.
      authorize: createAuthorizeAdmin(authenticate, adminRoles),
      sessions: forAdministrators,
      onEnded: events.endedByAdministrator,
    })
    return endpoints.set(adminPath, { methods: adminMethods, handle: admin })
  }
}

function limitConcurrency({ list, end, endAll }: UserSessions): UserSessions {
  const onQueueFull = () => new GatewayError('overloaded', `${maxQueued} other requests for lists of sessions wait`)
  const limit = createConcurrencyLimit({ maxConcurrent, maxQueued, onQueueFull })
  return {
    list: (...args) => limit(() => list(...args)),
    end: (...args) => limit(() => end(...args)),
    endAll: (...args) => limit(() => endAll(...args)),
  }
}
