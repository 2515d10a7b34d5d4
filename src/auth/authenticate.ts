import type { IncomingMessage } from 'node:http'
import { chain, type MaybePromise } from '../async/maybe-promise.ts'
import { GatewayError } from '../http/errors.ts'
import type { Credential } from './credentials/credentials.ts'
import { checkIdentity, type Identity, type RequestIdentity } from './identity.ts'
import type { MapRoles } from './roles.ts'
import { createSubject, type Subject } from './subject.ts'

export type AuthenticatedUser = Readonly<{ identity: Identity; roles: readonly string[]; credential: Credential }>

export type Authenticate = (request: IncomingMessage) => MaybePromise<AuthenticatedUser>

/** Both throw, or reject with, GatewayError: see the table in errors.ts. */
export type Authentication = Readonly<{
  /** Who it is and what it may; Elasticsearch is not asked. */
  resolveSubject: (request: IncomingMessage) => MaybePromise<Subject>
  authenticate: Authenticate
}>

export type AuthenticationOptions = Readonly<{
  isTrusted: (request: IncomingMessage) => boolean
  identify: (request: IncomingMessage, isTrusted: boolean) => MaybePromise<RequestIdentity>
  isCrossSiteWrite: (request: IncomingMessage) => boolean
  mapRoles: MapRoles
  obtain: (subject: Subject) => MaybePromise<Credential>
  /** Called with each identity whose groups grant no access: removes the user's roles in the background. Never throws. */
  deny: (identity: Identity) => void
  /** Our own username in Elasticsearch, where we have one: nobody may be it. */
  serviceAccount?: string | undefined
}>

const crossSite =
  "a page of another site made this request (CSRF), and the browser or the proxy added the user's identity"

/** Request → identity → roles → credential: what both modes begin with. */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { isTrusted, identify, isCrossSiteWrite, mapRoles, obtain, deny, serviceAccount } = options
  // Identities are frozen and come again as the same object, so their checks, roles and fingerprint are worked out once.
  const subjects = new WeakMap<Identity, Subject>()

  function resolveSubject(request: IncomingMessage): MaybePromise<Subject> {
    return chain(identify(request, isTrusted(request)), ({ identity, isAmbient }) => {
      const subject = subjects.get(identity) ?? admit(identity)
      if (isAmbient && isCrossSiteWrite(request))
        throw new GatewayError('cross_site', crossSite, { username: identity.username })
      return subject
    })
  }

  function authenticate(request: IncomingMessage): MaybePromise<AuthenticatedUser> {
    return chain(resolveSubject(request), (subject) => {
      const { identity, roles } = subject
      return chain(obtain(subject), (credential) => ({ identity, roles, credential }))
    })
  }

  function admit(identity: Identity): Subject {
    checkIdentity(identity, serviceAccount)
    const subject = createSubject(identity, rolesOf(identity))
    subjects.set(identity, subject)
    return subject
  }

  function rolesOf(identity: Identity): readonly string[] {
    try {
      return mapRoles(identity)
    } catch (error) {
      // Missing groups are not the same as an empty list: nothing is written.
      if (isDenial(error) && !identity.groupsMissing) deny(identity)
      throw error
    }
  }

  return Object.freeze({ resolveSubject, authenticate })
}

/** Whether the groups of a known user grant no access. */
function isDenial(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'no_roles' || error.code === 'group_denied')
}
