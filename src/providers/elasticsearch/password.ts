import { hash } from 'node:crypto'
import type { MaybePromise } from '../../async/maybe-promise.ts'
import type { RequestIdentity } from '../../auth/identity.ts'
import { asGatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import { type AttemptLimits, maxPendingAttempts, networkOf } from '../attempt-limits.ts'
import { createVerifiedCredentials } from '../verified-credentials.ts'
import { type LoginRules, rejectReservedName } from './accept-login.ts'
import { basicUsername } from './client-credential.ts'

export type PasswordOptions = LoginRules &
  Readonly<{
    attempts: AttemptLimits
    /** Asks Elasticsearch. @param isKnown whether the client may use the places that are kept free for known ones */
    verify: (authorization: string, isKnown: boolean) => Promise<RequestIdentity>
    ttlMs: number
    /** Milliseconds of a monotonic clock. */
    monotonicNow: () => number
  }>

/**
 * Identifies clients by `Authorization: Basic`. An attempt is counted before Elasticsearch is asked. A password that was right
 * when it was last verified is no guess, so it is not counted. What is remembered counts for one network only, so that guesses
 * from elsewhere do not find it.
 */
export function createPasswordProvider({ attempts, verify, ttlMs, monotonicNow, ...rules }: PasswordOptions) {
  // Passwords wait apart from API keys, which are never delayed.
  const verifyOnce = createVerifiedCredentials({
    verify: verifyPassword,
    ttlMs,
    maxConcurrent: maxPendingAttempts,
    maxQueued: 0,
    monotonicNow,
  })

  /** @param attempted the network, a line break and the value of `Authorization`, neither of which contains one */
  async function verifyPassword(attempted: string, isKnown: boolean): Promise<RequestIdentity> {
    const [network = '', authorization = ''] = attempted.split('\n')
    const name = foldName(basicUsername(authorization))
    if (!isKnown) return verifyCounted(authorization, name, network)
    const identified = await verify(authorization, true)
    await attempts.renew(name, network)
    return identified
  }

  async function verifyCounted(authorization: string, name: string, network: string): Promise<RequestIdentity> {
    const attempt = await attempts.begin(name, network)
    let identified: RequestIdentity
    try {
      identified = await verify(authorization, attempt.isFamiliar)
    } catch (error) {
      // Other errors say nothing about the password, or that it is right but must not be used.
      if (asGatewayError(error).code === 'credential_invalid') attempt.failed()
      else await attempt.canceled()
      throw error
    }
    await attempt.succeeded()
    return identified
  }

  return function identifyByPassword(authorization: string, context: RequestContext): MaybePromise<RequestIdentity> {
    const username = basicUsername(authorization)
    rejectReservedName(username, rules)
    const network = networkOf(context)
    attempts.check(foldName(username), network)
    return verifyOnce(`${network}\n${authorization}`)
  }
}

/**
 * One name for all spellings that LDAP and Active Directory take for one: invisible characters are ignored (RFC 4518, section 2.2), as
 * are the accents of Latin letters by Active Directory. A long one is hashed, so that the counters stay small: NFKD turns some
 * characters into 18.
 */
function foldName(username: string): string {
  const letters = username.normalize('NFKD').replace(ignored, '')
  const folded = letters.toLowerCase().toUpperCase().toLowerCase().replace(/\s+/g, ' ').trim()
  return folded.length > maxNameLength ? hash('sha256', folded, 'base64url') : folded
}

const ignored = /[\u0300-\u036f\p{Cf}\p{Default_Ignorable_Code_Point}]/gu

const maxNameLength = 64
