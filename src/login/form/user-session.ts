import { hash } from 'node:crypto'
import type { Identity } from '../../auth/identity.ts'
import { type SessionEnd, UserChangedError } from '../../sessions/session.ts'
import type { Login, Sessions } from '../../sessions/sessions.ts'
import type { FormUser, FormUsers } from './users.ts'

type Claims = Readonly<Record<string, unknown>>

/**
 * The claim that marks a session of the form. A provider cannot forge it, because its value is the hash of what only elastauth
 * knows about the user.
 */
const fingerprintClaim = 'elastauth/user'
/** No claim of a provider has this name: if the form is replaced by a provider, its sessions must not become the provider's. */
const usernameClaim = 'elastauth/username'

/** What a session of the form contains: the user as of the sign-in, and no tokens. */
export function toLogin(user: FormUser, now: number): Login {
  const { username } = user.identified.identity
  const claims = { [usernameClaim]: username, [fingerprintClaim]: fingerprintOf(user) }
  return { subject: `users:${username}`, claims, fromUserinfo: [], tokenExpiresAt: now }
}

/** Changes with the password, the groups and everything else about the user. */
function fingerprintOf({ identified, passwordHash }: FormUser): string {
  return hash('sha256', `user\0${passwordHash}\0${JSON.stringify(identified.identity)}`, 'base64url')
}

export function isFormSession({ claims }: Readonly<{ claims: Claims }>): boolean {
  return fingerprintClaim in claims
}

/** For the identity of a session: the identity of its user, who may have several sessions. */
const users = new WeakMap<Identity, Identity>()

/** Throws UserChangedError if the user has been removed, disabled or changed since the sign-in. */
export function createToIdentity(find: FormUsers['find']) {
  return function toIdentity(claims: Claims, authenticatedAt?: number): Identity {
    const { [usernameClaim]: username, [fingerprintClaim]: fingerprint } = claims
    const name = typeof username === 'string' ? username : undefined
    const user = name === undefined ? undefined : find(name)
    if (user === undefined || fingerprintOf(user) !== fingerprint) throw new UserChangedError(name)
    const { identity } = user.identified
    if (authenticatedAt === undefined) return identity
    const ofSession = Object.freeze({ ...identity, authenticatedAt })
    users.set(ofSession, identity)
    return ofSession
  }
}

/**
 * Compares the identity of each session with the user as of now, because the session cache does not learn of changes. Revokes
 * the session if the user has changed.
 */
export function createFindCurrent(findUser: FormUsers['find']) {
  return function findCurrentIn(
    { find, revoke }: Pick<Sessions, 'find' | 'revoke'>,
    onEnded: (end: SessionEnd) => void,
  ): Sessions['find'] {
    function serveCurrent(id: string, identity: Identity | undefined): Identity | undefined {
      if (identity === undefined || identity.provider !== 'users') return identity
      if (findUser(identity.username)?.identified.identity === (users.get(identity) ?? identity)) return identity
      void revoke(id)
      onEnded({ username: identity.username, reason: 'user_changed' })
      return undefined
    }

    return function findCurrent(id) {
      const found = find(id)
      return found instanceof Promise ? found.then((identity) => serveCurrent(id, identity)) : serveCurrent(id, found)
    }
  }
}
