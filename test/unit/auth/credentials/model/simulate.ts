import { isDeepStrictEqual } from 'node:util'
import type { CachedCredential } from '../../../../../src/auth/credentials/credential-cache.ts'
import { isSameSet } from '../../../../../src/auth/credentials/lifecycle.ts'
import { type ManagedState, readManagedState } from '../../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../../src/auth/credentials/password.ts'
import { decodeEntry } from '../../../../../src/auth/credentials/shared-entry.ts'
import type { UserToWrite } from '../../../../../src/auth/credentials/user-directory.ts'
import type { Subject } from '../../../../../src/auth/subject.ts'
import { createFakeClock, type FakeClock } from '../../../../support/fake-clock.ts'
import { createMemoryDirectory, createMemoryUser } from '../../../../support/memory-directory.ts'
import { createMemorySharedStore } from '../../../../support/memory-shared-store.ts'
import { key, otherKey, subject } from '../fixture.ts'
import { createSimulatedReplica, type SimulatedReplica } from './replica.ts'
import { expirationMs, type Fault, maxClockSkewMs, maxDelayMs, pauseMs, type Scenario } from './scenario.ts'

/** The same user with different groups: the second has more roles, the third other groups with the same roles. */
const subjects = [
  subject({ groups: ['staff'] }, ['reader']),
  subject({ groups: ['staff', 'admins'] }, ['admin', 'reader']),
  subject({ groups: ['staff', 'guests'] }, ['reader']),
] as const
const keyring = createKeyring([key, otherKey])

/** How long after a request all its work is done, and after another user's request all pending invalidations. */
const [quiescenceMs, flushMs] = [2500, 1000]
/** How long after the last event all work is done. */
const drainMs = 60_000
/** A credential that was decided on just before its expiry is handed out after the remaining steps. */
const remainingStepsMs = 4 * maxDelayMs

/** Each violation with its time and details. */
export type Violations = Record<
  'rejected' | 'rotatedTooSoon' | 'expired' | 'wrongKey' | 'wrongGroups' | 'staleEntry' | 'keptRoles',
  string[]
>

export type Result = Readonly<{
  violations: Violations
  /** Requests that never ended. */
  unfinished: number
  /** How often a shared entry was compared with Elasticsearch. */
  comparedEntries: number
  writes: number
  /** Passwords that were issued. */
  versions: number
}>

/** Runs a scenario in virtual time, and records the violations of the invariants. */
export async function simulate(scenario: Scenario): Promise<Result> {
  const simulation = new Simulation(scenario)
  await simulation.run()
  return simulation.result()
}

class Simulation {
  readonly #scenario: Scenario
  readonly #start: number
  readonly #clock: FakeClock
  readonly #directory = createMemoryDirectory()
  readonly #store
  readonly #replicas: readonly SimulatedReplica[]
  readonly #violations: Violations = {
    rejected: [],
    rotatedTooSoon: [],
    expired: [],
    wrongKey: [],
    wrongGroups: [],
    staleEntry: [],
    keptRoles: [],
  }
  #delays = 0
  #comparedEntries = 0

  /** Passwords that were written. */
  readonly #writtenPasswords = new Set<string>()
  /** When each credential was first handed out. */
  readonly #firstSeen = new Map<string, number>()
  readonly #pending = new Set<Readonly<{ replica: SimulatedReplica; requested: Subject }>>()
  #lastRequested: Subject | undefined
  /** Since when all requests have come with the same groups. */
  #undisturbedSince: number
  #deniedAt = Number.NEGATIVE_INFINITY
  /** Whether the last event was a denial while no request was pending. */
  #isLastDenied = false

  constructor(scenario: Scenario) {
    this.#scenario = scenario
    this.#start = Date.UTC(2026, 10, 24) - scenario.beforeMidnightMs
    this.#undisturbedSince = this.#start
    const clock = createFakeClock(this.#start)
    this.#clock = clock
    this.#store = createMemorySharedStore(clock.now)
    const lost = { created: '2026-11-01', version: 1, key_id: 'lost', issued_at: this.#start, fingerprint: 'former' }
    if (scenario.hasLostUser) this.#directory.users.set('bob', createMemoryUser({ metadata: { elastauth: lost } }))
    this.#replicas = scenario.clockSkewsMs.map((clockAheadMs, index) =>
      createSimulatedReplica({
        ...{ clock, directory: this.#directory, store: this.#store, clockAheadMs },
        delay: () => this.#delay(),
        keys: scenario.hasNewKey[index] ? ([otherKey, key] as const) : ([key, otherKey] as const),
        onWrite: (username, user, currentKeyId) => this.#checkWrite(username, user, currentKeyId),
      }),
    )
  }

  async run(): Promise<void> {
    const { faults, denials = [], requests } = this.#scenario
    const events = [
      ...faults.map(({ at, fault }) => ({ at, run: () => this.#inject(fault) })),
      ...denials.map(({ at, replica }) => ({ at, run: () => this.#deny(this.#replicas[replica]!) })),
      ...requests.map(({ at, replica, groups }) => ({
        at,
        run: () => this.#request(this.#replicas[replica]!, subjects[groups]!),
      })),
    ].sort((a, b) => a.at - b.at)
    for (const [index, { at, run }] of events.entries()) {
      await this.#clock.advance(this.#start + at - this.#clock.now())
      run()
      const next = events[index + 1]?.at ?? at + drainMs
      if (next - at > quiescenceMs + flushMs) await this.#checkAtRest(this.#start + next)
    }
    await this.#clock.advance(drainMs)
  }

  result(): Result {
    return {
      violations: this.#violations,
      unfinished: this.#unfinished(),
      comparedEntries: this.#comparedEntries,
      writes: this.#directory.written.filter(({ username }) => username === 'bob').length,
      versions: (this.#stored()?.version ?? 0) - (this.#scenario.hasLostUser ? 1 : 0),
    }
  }

  #delay(): Promise<void> {
    const { delaysMs } = this.#scenario
    return this.#clock.sleep(delaysMs[this.#delays++ % delaysMs.length]!)
  }

  #report(kind: keyof Violations, details = ''): void {
    this.#violations[kind].push(`at ${this.#clock.now() - this.#start}: ${details}`)
  }

  #stored(): ManagedState | undefined {
    return readManagedState(this.#directory.users.get('bob')?.metadata ?? {})
  }

  #storedRoles(): readonly string[] {
    return this.#directory.users.get('bob')?.roles ?? []
  }

  #unfinished(): number {
    return [...this.#pending].filter(({ replica }) => replica.isAlive()).length
  }

  #inject(fault: Fault): void {
    if (fault.kind === 'flush') {
      this.#store.clear()
      return
    }
    const replica = this.#replicas[fault.replica]!
    if (fault.kind === 'crash') replica.crash()
    else if (fault.kind === 'disconnect') replica.disconnect(fault.durationMs)
    else if (fault.kind === 'slow') replica.slowDown(fault)
    else replica.missMessages(fault.durationMs)
  }

  #deny(replica: SimulatedReplica): void {
    this.#undisturbedSince = this.#clock.now()
    this.#lastRequested = undefined
    this.#isLastDenied = this.#unfinished() === 0
    replica.deny()
  }

  #request(replica: SimulatedReplica, requested: Subject): void {
    if (!replica.isAlive()) return
    if (this.#lastRequested !== requested) this.#undisturbedSince = this.#clock.now()
    this.#lastRequested = requested
    this.#isLastDenied = false
    const wasUndisturbed = this.#isUndisturbed(requested)
    const request = { replica, requested }
    this.#pending.add(request)
    replica
      .obtain(requested)
      .finally(() => {
        this.#pending.delete(request)
        if (this.#lastRequested !== requested) this.#undisturbedSince = this.#clock.now()
      })
      .then(async (credential) => {
        if (replica.isAlive()) await this.#checkCredential(credential, request, wasUndisturbed)
      })
      .catch((error) => this.#report('rejected', String(error)))
  }

  /** Whether only these groups have been requested for a while. */
  #isUndisturbed(requested: Subject): boolean {
    const isAlone =
      this.#lastRequested === requested && this.#pending.values().every((other) => other.requested === requested)
    return isAlone && this.#clock.now() - this.#undisturbedSince > quiescenceMs
  }

  async #checkCredential(
    { authorization, state }: CachedCredential,
    { replica, requested }: Readonly<{ replica: SimulatedReplica; requested: Subject }>,
    wasUndisturbed: boolean,
  ): Promise<void> {
    if (replica.now() >= state.issued_at + expirationMs + remainingStepsMs) this.#report('expired', 'past its expiry')
    const firstSeen = this.#firstSeen.get(authorization) ?? this.#clock.now()
    this.#firstSeen.set(authorization, firstSeen)
    if (this.#clock.now() > firstSeen + expirationMs + pauseMs)
      this.#report('expired', `handed out since ${firstSeen - this.#start}`)
    const isUndisturbed = wasUndisturbed && this.#isUndisturbed(requested)
    if (isUndisturbed && !this.#isStored(requested)) this.#report('wrongGroups', `${this.#storedRoles()}`)
    await this.#delay()
    // A denial ends a password while requests of the user carry it.
    const isDenied = this.#clock.now() <= this.#deniedAt + quiescenceMs
    if (!this.#directory.accepts(authorization) && !isDenied) this.#report('rejected')
  }

  #isStored({ fingerprint, roles }: Subject): boolean {
    return this.#stored()?.fingerprint === fingerprint && isSameSet(this.#storedRoles(), roles)
  }

  /** Checks each write that issues a password. One that arrives after a late write of a former password does not. */
  #checkWrite(username: string, { password, roles, metadata }: UserToWrite, currentKeyId: string): void {
    if (username !== 'bob') return
    if (roles.length === 0) this.#deniedAt = this.#clock.now()
    const [before, after] = [this.#stored(), readManagedState(metadata)!]
    if (this.#writtenPasswords.has(password) || (before && after.version <= before.version)) return
    this.#writtenPasswords.add(password)
    if (after.key_id !== currentKeyId) this.#report('wrongKey', after.key_id)
    if (before === undefined || !keyring.knows(before.key_id) || roles.length === 0) return
    const earliest = before.issued_at + expirationMs + pauseMs - maxClockSkewMs
    if (this.#clock.now() < earliest)
      this.#report('rotatedTooSoon', `version ${after.version}, ${earliest - this.#clock.now()} ms too soon`)
  }

  /** Compares Elasticsearch with the last denial and with the shared entry, if no work is left before `until`. */
  async #checkAtRest(until: number): Promise<void> {
    do await this.#clock.advance(quiescenceMs)
    while (this.#unfinished() > 0 && this.#clock.now() + quiescenceMs + flushMs < until)
    if (this.#unfinished() > 0 || this.#replicas.some((replica) => replica.isDisconnected())) return
    this.#checkDenial()
    for (const replica of this.#replicas) replica.requestAnotherUser()
    await this.#clock.advance(flushMs)
    const value = this.#store.values().get('bob')
    const shared = value === undefined ? undefined : decodeEntry('bob', value, keyring)
    if (shared === undefined) return
    this.#comparedEntries++
    if (!isDeepStrictEqual(shared, this.#stored())) this.#report('staleEntry', value)
  }

  #checkDenial(): void {
    const isOver = this.#isLastDenied && this.#clock.now() - this.#undisturbedSince >= quiescenceMs
    if (isOver && this.#storedRoles().length > 0) this.#report('keptRoles', `${this.#storedRoles()}`)
  }
}
