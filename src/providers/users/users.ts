import { estimateCost, type PasswordHash, parsePasswordHash } from '../../../config/formats/password-hash.ts'
import type { ConfiguredUsers } from '../../../config/formats/users.ts'
import { limits as identityLimits, usernamePattern } from '../../../config/identity-limits.ts'
import { createConcurrencyLimit } from '../../async/concurrency-limit.ts'
import type { MaybePromise } from '../../async/maybe-promise.ts'
import type { RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import { type AttemptLimits, maxPendingAttempts, networkOf } from '../attempt-limits.ts'
import { createVerifiedCredentials } from '../verified-credentials.ts'
import { maxPasswordBytes, verifyPasswordHash } from './password-hashing.ts'

/** A user who may sign in. */
export type User = Readonly<{
  /** The same object until anything about the user changes, the password included: a session then ends. */
  identified: RequestIdentity
  passwordHash: string
}>

export type UsersOptions = Readonly<{
  attempts: AttemptLimits
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
}>

export type Users = Readonly<{
  /**
   * The user with this name and password, as of the end of the check. Without a promise if the client has sent both in the last five minutes.
   * Throws, or rejects with, GatewayError credential_invalid, too_many_attempts or overloaded.
   */
  verifyPassword: (username: string, password: string, context: RequestContext) => MaybePromise<User>
  /** The user at this moment; undefined for one who does not exist or is disabled. */
  find: (username: string) => User | undefined
  /** Applies at once: a user who is removed or disabled, or whose password has been changed, is rejected. */
  replace: (users: ConfiguredUsers) => void
}>

const rememberedMs = 5 * 60_000
const maxQueued = 64

/** People and scripts with a password in the configuration. */
export function createUsers(initial: ConfiguredUsers, { attempts, monotonicNow }: UsersOptions): Users {
  let users = readUsers(initial, new Map())
  let decoy = mostExpensive(users)
  // At most two at a time, one of them for networks that the user knows, so that guesses from elsewhere do not delay it: with
  // bcrypt, whose hashes share one thread, by one of their hashes at most.
  const limits = { familiar: limitHashing(), other: limitHashing() }
  // The hash is part of what is remembered: a result stays true when the users change.
  const verifyOnce = createVerifiedCredentials({
    verify: (attempt) => verify(...splitAttempt(attempt)),
    ttlMs: rememberedMs,
    maxConcurrent: maxPendingAttempts,
    maxQueued: 0,
    monotonicNow,
  })

  function verifyPassword(username: string, password: string, context: RequestContext): MaybePromise<User> {
    checkInput(username, password)
    const network = networkOf(context)
    attempts.check(username, network)
    const passwordHash = users.get(username)?.passwordHash ?? decoy
    const verified = verifyOnce([network, username, passwordHash, password].join('\n'))
    const accept = () => {
      const user = users.get(username)
      if (user?.passwordHash !== passwordHash) throw rejected(username, users) // changed while the password was checked
      return user
    }
    return verified instanceof Promise ? verified.then(accept) : accept()
  }

  async function verify(network: string, username: string, passwordHash: string, password: string): Promise<true> {
    const attempt = await attempts.begin(username, network)
    const limit = attempt.isFamiliar ? limits.familiar : limits.other
    let isEqual: boolean
    try {
      isEqual = await limit(() => verifyPasswordHash(password, passwordHash))
    } catch (error) {
      await attempt.canceled()
      throw error
    }
    // For an unknown user, the hash is that of another one: the check takes as long, and its result does not count.
    if (!isEqual || users.get(username)?.passwordHash !== passwordHash) {
      attempt.failed()
      throw rejected(username, users)
    }
    await attempt.succeeded()
    return true
  }

  return Object.freeze<Users>({
    verifyPassword,
    find: (username) => users.get(username),
    replace(next) {
      users = readUsers(next, users)
      decoy = mostExpensive(users)
    },
  })
}

/** Rejects what cannot be a user's name and password, without the cost of a hash. */
function checkInput(username: string, password: string): void {
  if (username.length > identityLimits.username || !usernamePattern.test(username))
    throw new GatewayError('credential_invalid', 'the username is malformed')
  if (password === '' || password.includes('\0') || Buffer.byteLength(password) > maxPasswordBytes)
    throw new GatewayError('credential_invalid', 'the password is empty, too long, or contains NUL')
}

/** The same for an unknown user as for a wrong password, except for the name: an unknown one may be a password, which must not be logged. */
function rejected(username: string, users: ReadonlyMap<string, User>): GatewayError {
  const known = users.has(username) ? { username } : undefined
  return new GatewayError('credential_invalid', 'no enabled user has this name and password', known)
}

/** Only the password, which comes last, may contain line breaks. */
function splitAttempt(attempt: string): [network: string, username: string, passwordHash: string, password: string] {
  const [network = '', username = '', passwordHash = '', ...password] = attempt.split('\n')
  return [network, username, passwordHash, password.join('\n')]
}

/** Keeps the objects of users that have not changed, for what is cached by identity. */
function readUsers(configured: ConfiguredUsers, before: ReadonlyMap<string, User>): Map<string, User> {
  const enabled = Object.entries(configured).filter(([, { disabled }]) => !disabled)
  return new Map(
    enabled.map(([username, { password_hash: passwordHash, groups, email, name }]) => {
      const identity = Object.freeze({
        username,
        groups: Object.freeze([...groups]),
        ...(email && { email }),
        ...(name && { name }),
        provider: 'users',
      })
      const known = before.get(username)
      const isSame =
        known?.passwordHash === passwordHash && JSON.stringify(known.identified.identity) === JSON.stringify(identity)
      const identified = isSame ? known.identified : Object.freeze({ identity, isAmbient: true })
      return [username, Object.freeze({ identified, passwordHash })]
    }),
  )
}

/** The hash that an unknown user's password is compared with, so that it takes as long as that of a known one. */
function mostExpensive(users: ReadonlyMap<string, User>): string {
  let [most, highest] = [defaultDecoy, 0]
  for (const { passwordHash } of users.values()) {
    const cost = costOf(passwordHash)
    if (cost > highest) [most, highest] = [passwordHash, cost]
  }
  return most
}

/** For when all users are disabled: the hash of nothing. */
const defaultDecoy = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

function costOf(hash: string): number {
  return estimateCost(parsePasswordHash(hash) as PasswordHash)
}

function limitHashing() {
  const onQueueFull = () => new GatewayError('overloaded', `${maxQueued} other passwords wait to be checked`)
  return createConcurrencyLimit({ maxConcurrent: 1, maxQueued, onQueueFull })
}
