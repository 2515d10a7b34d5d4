import type { IncomingMessage } from 'node:http'
import type { Credential } from './credentials.ts'
import { checkIdentity, type Identity } from './identity.ts'
import type { MapRoles } from './roles.ts'
import { createSubject, type Subject } from './subject.ts'

export type Authenticated = Readonly<{ identity: Identity; roles: readonly string[]; credential: Credential }>

export type Authenticate = (request: IncomingMessage) => Promise<Authenticated>

/** Both throw GatewayError: see the table in errors.ts. */
export type Authentication = Readonly<{
  /** Who it is and what it may; Elasticsearch is not asked. */
  recognise: (request: IncomingMessage) => Promise<Subject>
  authenticate: Authenticate
}>

export type AuthenticationOptions = Readonly<{
  isTrusted: (request: IncomingMessage) => boolean
  identify: (request: IncomingMessage, isTrusted: boolean) => Identity | Promise<Identity>
  mapRoles: MapRoles
  obtain: (subject: Subject) => Credential | Promise<Credential>
  /** Our own username in Elasticsearch, where we have one: nobody may be it. */
  serviceAccount?: string | undefined
}>

/** Request → identity → roles → credential: what both modes begin with. */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { isTrusted, identify, mapRoles, obtain, serviceAccount } = options
  // Identities are frozen and come again as the same object, so their checks, roles and fingerprint are worked out once.
  const subjects = new WeakMap<Identity, Subject>()

  async function recognise(request: IncomingMessage): Promise<Subject> {
    const identified = identify(request, isTrusted(request))
    const identity = identified instanceof Promise ? await identified : identified
    return subjects.get(identity) ?? admit(identity)
  }

  async function authenticate(request: IncomingMessage): Promise<Authenticated> {
    const subject = await recognise(request)
    const obtained = obtain(subject)
    const credential = obtained instanceof Promise ? await obtained : obtained
    return { identity: subject.identity, roles: subject.roles, credential }
  }

  function admit(identity: Identity): Subject {
    checkIdentity(identity, serviceAccount)
    const subject = createSubject(identity, mapRoles(identity))
    subjects.set(identity, subject)
    return subject
  }

  return Object.freeze({ recognise, authenticate })
}
