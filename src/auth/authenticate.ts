import type { IncomingMessage } from 'node:http'
import type { Credential } from './credentials.ts'
import { checkIdentity, type Identity } from './identity.ts'
import type { MapRoles } from './roles.ts'
import { createSubject, type Subject } from './subject.ts'

export type Authenticated = Readonly<{ identity: Identity; roles: readonly string[]; credential: Credential }>

/** Throws GatewayError: see the table in errors.ts. */
export type Authenticate = (request: IncomingMessage) => Promise<Authenticated>

export type AuthenticateOptions = Readonly<{
  isTrusted: (request: IncomingMessage) => boolean
  identify: (request: IncomingMessage, isTrusted: boolean) => Identity | Promise<Identity>
  mapRoles: MapRoles
  obtain: (subject: Subject) => Credential | Promise<Credential>
}>

/** Request → identity → roles → credential: what both modes begin with. */
export function createAuthenticate({ isTrusted, identify, mapRoles, obtain }: AuthenticateOptions): Authenticate {
  // Identities are frozen and come again as the same object, so their checks, roles and fingerprint are worked out once.
  const subjects = new WeakMap<Identity, Subject>()

  return async function authenticate(request) {
    const identified = identify(request, isTrusted(request))
    const identity = identified instanceof Promise ? await identified : identified
    const subject = subjects.get(identity) ?? admit(identity)
    const obtained = obtain(subject)
    const credential = obtained instanceof Promise ? await obtained : obtained
    return { identity, roles: subject.roles, credential }
  }

  function admit(identity: Identity): Subject {
    checkIdentity(identity)
    const subject = createSubject(identity, mapRoles(identity))
    subjects.set(identity, subject)
    return subject
  }
}
