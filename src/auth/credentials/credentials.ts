import { createExclusiveSingleFlight } from '../../async/single-flight.ts'
import type { Identity } from '../identity.ts'
import type { Subject } from '../subject.ts'
import { type CachedCredential, findValid } from './credential-cache.ts'
import { createDenials } from './denials.ts'
import type { CredentialEvent, CredentialsOptions } from './options.ts'
import { createReconciler } from './reconcile.ts'
import { revokedError } from './reconcile-step.ts'
import { createRevalidation } from './revalidate.ts'

export type Credential = Readonly<{ authorization: string }>

export type Credentials = Readonly<{
  /** Returns the user's credential if it is cached, and a promise otherwise. Throws, or rejects with, GatewayError. */
  obtain: (subject: Subject) => Credential | Promise<Credential>
  /** Handles the message that another replica has written the user: removes the cached credential unless it has the state `stateId`. */
  noteChange: (username: string, stateId: string) => void
  /** Makes a check of every cached credential due within a few seconds, because messages of other replicas may have been lost. */
  revalidateAll: () => void
  /** Replaces a credential that Elasticsearch has rejected. Resolves to undefined if there is no replacement. Never rejects. */
  reissue: (subject: Subject, rejected: Credential) => Promise<Credential | undefined>
  /** Like `reissue`, but in the background, and not while many other background tasks run. Never throws. */
  reissueInBackground: (subject: Subject, rejected: Credential) => void
  /** Removes, in the background, the roles of a user whose groups grant no access. Never throws. */
  deny: (identity: Identity) => void
  /** Stops background work from starting. */
  close: () => void
}>

/** `revalidateAll` spreads its checks over this time, to avoid a burst of requests to Elasticsearch. */
const revalidationSpreadMs = 5000

const cacheHit: CredentialEvent = { kind: 'cache', result: 'hit' }
const cacheMiss: CredentialEvent = { kind: 'cache', result: 'miss' }

/**
 * Looks up credentials in the cache. What needs Elasticsearch is below: `reconcile.ts` obtains a credential that is not cached,
 * `revalidate.ts` checks and replaces cached ones, `denials.ts` removes access.
 */
export function createCredentials(options: CredentialsOptions): Credentials {
  const { cache, rules, now, monotonicNow, report } = options
  const singleFlight = createExclusiveSingleFlight()
  const denials = createDenials({ ...options, singleFlight })
  const revalidateAfterMs = revalidationIntervalMs(options)
  const reconciler = createReconciler({ ...options, revalidateAfterMs, singleFlight, denials })
  const revalidation = createRevalidation({ ...options, revalidateAfterMs, reconciler })

  function obtain(subject: Subject): Credential | Promise<Credential> {
    const cached = findValid(cache, subject, now(), rules)
    report(cached ? cacheHit : cacheMiss)
    if (cached === undefined) {
      rejectRevoked(subject)
      return reconciler.reconcile(subject)
    }
    denials.allow(subject.identity.username, false)
    revalidation.revalidateIfDue(subject, cached)
    return cached
  }

  /** Throws GatewayError if the cached state shows the revocation, which no later state withdraws: the user need not be read. */
  function rejectRevoked({ identity: { username }, authenticatedAt }: Subject): void {
    const notBefore = cache.get(username)?.notBefore ?? 0
    if (authenticatedAt < notBefore) throw revokedError(username, notBefore, now())
  }

  async function reissue(subject: Subject, rejected: Credential): Promise<Credential | undefined> {
    if (!isCached(rejected)) return undefined // a client's own credential, which must not get the one of a user with the same name
    const cached = findValid(cache, subject, now(), rules)
    if (cached !== undefined && cached.authorization !== rejected.authorization) return cached // already replaced
    return revalidation.reissue(subject, rejected)
  }

  function reissueInBackground(subject: Subject, rejected: Credential): void {
    const cached = findValid(cache, subject, now(), rules)
    const isReplaced = cached !== undefined && cached.authorization !== rejected.authorization
    if (!isReplaced && isCached(rejected)) revalidation.reissueInBackground(subject, rejected)
  }

  function noteChange(username: string, stateId: string): void {
    denials.noteChange(username, stateId)
    reconciler.noteChange(username, stateId)
  }

  function revalidateAll(): void {
    cache.revalidateAll(monotonicNow(), revalidationSpreadMs)
  }

  return Object.freeze({
    obtain,
    reissue,
    reissueInBackground,
    deny: denials.deny,
    noteChange,
    revalidateAll,
    close: denials.close,
  })
}

/** Checks also extend passwords, in the second half of their lifetime. One check per quarter is often enough. */
function revalidationIntervalMs({ rules, revalidateAfterMs }: CredentialsOptions): number {
  return rules.extend ? Math.min(revalidateAfterMs, rules.expirationMs / 4) : revalidateAfterMs
}

/** False only for a credential that `obtain` did not return. */
function isCached(credential: Credential): credential is CachedCredential {
  return 'state' in credential
}
