import type { MaybePromise } from '../async/maybe-promise.ts'
import { type ErrorCode, GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Credential } from './credentials/credentials.ts'
import { checkIdentity, type Identity, type RequestIdentity } from './identity.ts'
import type { MapRoles } from './roles.ts'
import { createSubject, type Subject } from './subject.ts'

export type AuthenticatedUser = Readonly<{ identity: Identity; roles: readonly string[]; credential: Credential }>

/** Returns the user if the identity and the credential are cached, and a promise otherwise. */
export type Authenticate<User = AuthenticatedUser> = (context: RequestContext) => MaybePromise<User>

/** @property denial why the groups of the user grant no access; then there are no roles */
export type UserDescription = Readonly<{ identity: Identity; roles: readonly string[]; denial?: ErrorCode }>

/** All functions throw, or reject with, GatewayError: see the table in http/errors.ts. */
export type Authentication = Readonly<{
  /** The user's identity and roles, without a call to Elasticsearch. */
  resolveSubject: (context: RequestContext) => Promise<Subject>
  /** Like `resolveSubject`, but also describes a user whose groups grant no access. For responses without a credential. */
  describeUser: (context: RequestContext) => Promise<UserDescription>
  /** The user's identity, roles and Elasticsearch credential. */
  authenticate: Authenticate
}>

export type AuthenticationOptions = Readonly<{
  identify: (context: RequestContext) => MaybePromise<RequestIdentity>
  isCrossSiteWrite: (context: RequestContext) => boolean
  mapRoles: MapRoles
  obtain: (subject: Subject) => MaybePromise<Credential>
  /** Removes, in the background, the roles of a user whose groups grant no access. Never throws. */
  deny: (identity: Identity) => void
  /** The username of elastauth's service account, unless elastauth uses an API key. No user may have this name. */
  serviceAccount?: string | undefined
}>

const crossSiteDetail =
  "a page of another site made this request (CSRF), and the browser or the proxy added the user's identity"

/** Turns a request into an identity, its roles and a credential. Both modes begin with these steps. */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { identify, isCrossSiteWrite, mapRoles, obtain, deny, serviceAccount } = options
  // A provider returns the same frozen identity for the same assertion, so each identity is checked and mapped to roles only once.
  const subjects = new WeakMap<Identity, Subject>()

  async function resolveSubject(context: RequestContext): Promise<Subject> {
    return subjectOf(await identify(context), context)
  }

  async function describeUser(context: RequestContext): Promise<UserDescription> {
    const identified = await identify(context)
    const { identity } = identified
    try {
      const { roles } = subjects.get(identity) ?? checkAndMap(identified)
      return { identity, roles }
    } catch (error) {
      if (!isDenial(error)) throw error
      return { identity, roles: [], denial: error.code }
    }
  }

  /** Most requests need no I/O, so a promise is created only for those that do. */
  function authenticate(context: RequestContext): MaybePromise<AuthenticatedUser> {
    const identified = identify(context)
    if (identified instanceof Promise) return identified.then((one) => withCredential(one, context))
    return withCredential(identified, context)
  }

  function withCredential(identified: RequestIdentity, context: RequestContext): MaybePromise<AuthenticatedUser> {
    const subject = subjectOf(identified, context)
    if (identified.ownRoles !== undefined)
      return toUser(subject, { authorization: context.request.headers.authorization! })
    const credential = obtain(subject)
    if (credential instanceof Promise) return credential.then((one) => toUser(subject, one))
    return toUser(subject, credential)
  }

  function subjectOf(identified: RequestIdentity, context: RequestContext): Subject {
    const { identity, isAmbient } = identified
    const subject = subjects.get(identity) ?? checkAndMap(identified)
    if (isAmbient && isCrossSiteWrite(context))
      throw new GatewayError('cross_site', crossSiteDetail, { username: identity.username })
    return subject
  }

  function checkAndMap({ identity, ownRoles }: RequestIdentity): Subject {
    if (ownRoles === undefined) checkIdentity(identity, serviceAccount)
    const subject = createSubject(identity, ownRoles ?? mapRolesOrDeny(identity, mapRoles, deny))
    subjects.set(identity, subject)
    return subject
  }

  return Object.freeze({ resolveSubject, describeUser, authenticate })
}

function toUser({ identity, roles }: Subject, credential: Credential): AuthenticatedUser {
  return { identity, roles, credential }
}

function mapRolesOrDeny(
  identity: Identity,
  mapRoles: MapRoles,
  deny: AuthenticationOptions['deny'],
): readonly string[] {
  try {
    return mapRoles(identity)
  } catch (error) {
    // If the provider sent no information about groups, the user keeps the stored roles.
    if (isDenial(error) && !identity.groupsMissing) deny(identity)
    throw error
  }
}

/** Whether the user's groups grant no access. */
function isDenial(error: unknown): error is GatewayError {
  return error instanceof GatewayError && (error.code === 'no_roles' || error.code === 'group_denied')
}
