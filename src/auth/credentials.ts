import { GatewayError } from '../errors.ts'
import type { CachedCredential, CredentialCache } from './cache/l1.ts'
import { createFlights } from './flights.ts'
import { decide, endOf, type LifecycleRules, type WriteReason } from './lifecycle.ts'
import type { ManagedState, StoredUser } from './managed-user.ts'
import type { Keyring } from './password.ts'
import { createRecheck } from './recheck.ts'
import type { Subject } from './subject.ts'

/** What the life-cycle needs of Elasticsearch. Every function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected. */
export type UserDirectory = Readonly<{
  get: (username: string) => Promise<StoredUser | undefined>
  put: (username: string, user: UserToWrite) => Promise<void>
  /** Logs in as the user: what Elasticsearch has of it, or undefined when it refuses the password. */
  authenticate: (username: string, password: string) => Promise<Pick<StoredUser, 'roles' | 'metadata'> | undefined>
}>

export type UserToWrite = Readonly<{
  password: string
  roles: readonly string[]
  full_name: string | null
  email: string | null
  metadata: Readonly<Record<string, unknown>>
}>

export type Credential = Readonly<{ authorization: string }>

/** What happened to a user's credential, for the log and the metrics. */
export type CredentialEvent =
  | Readonly<{ kind: 'cache'; result: 'hit' | 'miss' }>
  | Readonly<{ kind: 'written'; reason: WriteReason; username: string; version: number }>
  | Readonly<{ kind: 'recheck_failed'; username: string; error: unknown }>

export type CredentialsOptions = Readonly<{
  directory: UserDirectory
  keys: Keyring
  cache: CredentialCache
  rules: LifecycleRules
  /** How old a cached credential's last check may be before Elasticsearch is asked again, in milliseconds. */
  revalidate: number
  now: () => number
  sleep: (milliseconds: number) => Promise<void>
  report: (event: CredentialEvent) => void
}>

export type Credentials = Readonly<{
  /** The credential of a user: at once from the cache, else as a promise. Throws and rejects with GatewayError. */
  obtain: (subject: Subject) => Credential | Promise<Credential>
  /** A credential in place of one that Elasticsearch refused, or undefined where there is none. Never rejects. */
  heal: (subject: Subject, refused: Credential) => Promise<Credential | undefined>
}>

/** Decisions in a row before we give up. Two are usual (wait, then rotate); more mean that somebody else keeps writing. */
const maxSteps = 8

const cacheHit: CredentialEvent = { kind: 'cache', result: 'hit' }
const cacheMiss: CredentialEvent = { kind: 'cache', result: 'miss' }

export function createCredentials(options: CredentialsOptions): Credentials {
  const { directory, keys, cache, rules, now, sleep, report } = options
  const flights = createFlights<CachedCredential>()
  const { recheck, heal: healCached } = createRecheck({ ...options, resettle: fly })
  // An active user's end can only be pushed on in time when somebody looks often enough.
  const recheckEvery = rules.extend ? Math.min(options.revalidate, rules.expiration / 4) : options.revalidate

  function obtain(subject: Subject): Credential | Promise<Credential> {
    const cached = recall(subject)
    report(cached ? cacheHit : cacheMiss)
    if (cached === undefined) return fly(subject)
    if (now() >= cached.recheckAt) {
      cached.recheckAt = now() + recheckEvery
      void recheck(subject, cached)
    }
    return cached
  }

  async function heal(subject: Subject, refused: Credential): Promise<Credential | undefined> {
    const known = recall(subject)
    if (known !== undefined && known.authorization !== refused.authorization) return known // somebody was quicker
    return isCached(refused) ? healCached(subject, refused) : undefined
  }

  /** The cached credential, if it may still be handed out to this subject. */
  function recall({ identity, fingerprint }: Subject): CachedCredential | undefined {
    const cached = cache.get(identity.username)
    if (cached === undefined || cached.state.fingerprint !== fingerprint) return undefined
    return now() < endOf(cached.state, rules) ? cached : undefined
  }

  function fly(subject: Subject, refused?: ManagedState): Promise<CachedCredential> {
    const { identity, fingerprint } = subject
    const task = () => settle(subject, refused)
    // To heal is not what other flights do, nor is it done because the cache holds what is to be healed.
    if (refused) return flights.join(identity.username, `heal ${fingerprint}`, task, () => undefined)
    return flights.join(identity.username, fingerprint, task, () => recall(subject))
  }

  /** Reads, decides and acts until the user in Elasticsearch is as this subject needs it. */
  async function settle(subject: Subject, refused: ManagedState | undefined): Promise<CachedCredential> {
    const { username } = subject.identity
    for (let step = 0; step < maxSteps; step++) {
      const stored = await directory.get(username)
      const decision = decide({ stored, subject, now: now(), keys, rules, refused })
      if (decision.kind === 'refuse') {
        cache.delete(username)
        throw new GatewayError(decision.code, refusals[decision.code], { username })
      }
      if (decision.kind === 'adopt') return remember(username, decision.state)
      if (decision.kind === 'wait') {
        await sleep(decision.until - now())
        continue
      }
      await directory.put(username, userToWrite(subject, decision.state, stored))
      report({ kind: 'written', reason: decision.reason, username, version: decision.state.version })
      // A write that took longer than its password lives may have undone another replica's: then decide once more.
      if (now() < endOf(decision.state, rules)) return remember(username, decision.state)
    }
    throw new GatewayError('elasticsearch_unavailable', `the user did not come to rest in ${maxSteps} steps`, {
      username,
    })
  }

  function userToWrite({ identity, roles }: Subject, state: ManagedState, stored: StoredUser | undefined): UserToWrite {
    return {
      password: passwordOf(identity.username, state),
      roles,
      full_name: identity.name ?? null,
      email: identity.email ?? null,
      metadata: { ...stored?.metadata, groups: identity.groups, elastauth: state },
    }
  }

  function remember(username: string, state: ManagedState): CachedCredential {
    const authorization = basicAuthorization(username, passwordOf(username, state))
    const credential = { state, authorization, recheckAt: now() + recheckEvery }
    cache.set(username, credential)
    return credential
  }

  function passwordOf(username: string, state: ManagedState): string {
    return keys.password(state.key_id, username, state.created, state.version)
  }

  return Object.freeze({ obtain, heal })
}

/** Every credential that `obtain` gives is one. */
function isCached(credential: Credential): credential is CachedCredential {
  return 'state' in credential
}

/** RFC 7617. Through a buffer, so that the cache holds one flat string and not the parts it was joined from. */
function basicAuthorization(username: string, password: string): string {
  const encoded = Buffer.from(`${username}:${password}`).toString('base64')
  return Buffer.from(`Basic ${encoded}`, 'latin1').toString('latin1')
}

/** What the log says of a user that we must not touch. */
const refusals = {
  user_reserved: 'Elasticsearch reserves this user',
  user_disabled: 'the user is disabled in Elasticsearch; enable it there to let it in',
  user_foreign:
    'the user in Elasticsearch was not made by elastauth; set elasticsearch.adopt_existing_users to take it over',
} as const
