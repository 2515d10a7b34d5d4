import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAdministration, type Revocation } from '../../../../src/auth/credentials/administer.ts'
import { readManagedState } from '../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../../../src/auth/credentials/password-writer.ts'
import { createSharedCache } from '../../../../src/auth/credentials/shared-cache.ts'
import { noSharedStates } from '../../../../src/auth/credentials/shared-states.ts'
import { asGatewayError } from '../../../../src/http/errors.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'
import { createMemoryDirectory } from '../../../support/memory-directory.ts'
import { createMemorySharedStore } from '../../../support/memory-shared-store.ts'
import fc from '../../../support/property.ts'
import { key, otherKey, subject } from './fixture.ts'
import { createSimulatedReplica, defaultRules } from './model/replica.ts'
import { type Fault, lockTtlMs, maxDelayMs, type Scenario, scenariosWith } from './model/scenario.ts'

/**
 * The model of model.test.ts with an administrator who revokes the user at any time, and who may crash at any step and then
 * revoke again. MODEL_RUNS and MODEL_SEED as there.
 */
const runs = Number(process.env.MODEL_RUNS ?? 200)
const seed = Number(process.env.MODEL_SEED ?? 1)
/** Longer than the check of a cached credential takes to notice a revocation: the interval of checks, and the calls. */
const noticeMs = 3000 + 20 * maxDelayMs
const drainMs = 60_000

type RevocationScenario = Readonly<{
  scenario: Scenario
  revokedAt: number
  /** How long after the start of the command it crashes. */
  crashesAfter: number | undefined
  disable: boolean
  hasRedis: boolean
  extend: boolean
  denials: readonly Readonly<{ at: number; replica: number }>[]
  /** For each request, whether the user signed in before all of them, or just now. */
  isFormer: readonly boolean[]
}>

const scenarios = (faults: readonly Fault['kind'][]): fc.Arbitrary<RevocationScenario> =>
  fc.record({
    scenario: scenariosWith({ faults }).map((scenario) => ({
      ...scenario,
      hasLostUser: false,
      hasNewKey: [false, false, false],
    })),
    revokedAt: fc.integer({ min: 1500, max: 30_000 }),
    crashesAfter: fc.option(fc.integer({ min: 0, max: 3000 }), { nil: undefined }),
    disable: fc.boolean(),
    hasRedis: fc.boolean(),
    extend: fc.boolean(),
    denials: fc.array(fc.record({ at: fc.integer({ min: 0, max: 35_000 }), replica: fc.integer({ min: 0, max: 2 }) }), {
      maxLength: 3,
    }),
    isFormer: fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
  })

const groups = [['staff'], ['staff', 'admins'], ['staff', 'guests']]
const roles = [['reader'], ['admin', 'reader'], ['reader']]

async function simulate({ scenario, ...given }: RevocationScenario) {
  const start = Date.UTC(2026, 10, 24) - scenario.beforeMidnightMs
  const clock = createFakeClock(start)
  const directory = createMemoryDirectory()
  const store = createMemorySharedStore(clock.now)
  let delays = 0
  const delay = () => clock.sleep(scenario.delaysMs[delays++ % scenario.delaysMs.length]!)
  const { hasRedis, extend, disable } = given
  const replicas = scenario.clockSkewsMs.map((clockAheadMs) =>
    createSimulatedReplica({
      ...{ clock, directory, store, delay, clockAheadMs, hasRedis, extend },
      keys: [key, otherKey],
      onWrite: () => {},
    }),
  )
  const violations: string[] = []
  const former = { authenticatedAt: start - 1 }
  let revocation: Revocation | undefined
  let isAbsent = false
  /** When the last command started, and when the revocation was complete. */
  let startedAt = Number.NEGATIVE_INFINITY
  let revokedAt = Number.POSITIVE_INFINITY

  async function request(replica: (typeof replicas)[number], index: number, isFormer: boolean) {
    const requestedAt = clock.now()
    const times = isFormer ? former : { authenticatedAt: requestedAt }
    try {
      const { authorization } = await replica.obtain(subject({ groups: groups[index]!, ...times }, roles[index]))
      await delay()
      if (replica.isAlive() && isFormer && requestedAt >= revokedAt) checkCredential(authorization, requestedAt)
    } catch (error) {
      const { code } = asGatewayError(error)
      const isRevoked = code === 'revoked' && (isFormer || requestedAt < startedAt)
      if (!isRevoked && !(code === 'user_disabled' && disable)) violations.push(`${requestedAt - start}: ${code}`)
    }
  }

  /** The credential of a former sign-in, requested after the revocation. */
  function checkCredential(authorization: string, requestedAt: number): void {
    const at = requestedAt - start
    if (directory.accepts(authorization)) violations.push(`${at}: a former sign-in got a working credential`)
    if (requestedAt > revokedAt + 2 * noticeMs) violations.push(`${at}: a former sign-in was not rejected`)
  }

  /** A command that crashes sends nothing more. What it has sent before still arrives. */
  async function revoke(crashesAfter = Number.POSITIVE_INFINITY): Promise<void> {
    const ownStart = clock.now()
    startedAt = ownStart
    const remote =
      <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
      async (...args: A): Promise<T> => {
        if (clock.now() >= ownStart + crashesAfter) await new Promise<never>(() => {})
        await delay()
        const result = await call(...args)
        await delay()
        return result
      }
    const keys = createKeyring([key, otherKey])
    const rules = { ...defaultRules, extend }
    const shared = createSharedCache({
      store: {
        ...store,
        get: remote(store.get),
        acquireLock: remote(store.acquireLock),
        releaseLock: remote(store.releaseLock),
      },
      ...{ keys, rules, lockTtlMs, now: clock.now, monotonicNow: clock.monotonicNow, sleep: clock.sleep },
    })
    const administration = createAdministration({
      directory: {
        get: remote(directory.get),
        put: remote(directory.put),
        authenticate: remote(directory.authenticate),
      },
      ...{ keys, rules, now: clock.now, sleep: clock.sleep, report: () => {} },
      preparePassword: createPasswordWriter({ keys, sendsHash: () => false }),
      states: hasRedis ? shared : noSharedStates,
    })
    const done = await administration.revoke('bob', disable).catch((error: unknown) => {
      if (asGatewayError(error).code !== 'not_found') throw error
      isAbsent = true // the replica of the first request has crashed
    })
    if (done === undefined) return
    if (clock.now() >= ownStart + crashesAfter) return
    revocation = done
    revokedAt = clock.now()
  }

  const events = [
    ...scenario.faults.map(({ at, fault }) => ({ at, run: () => inject(fault) })),
    ...given.denials.map(({ at, replica }) => ({ at, run: () => replicas[replica]!.deny() })),
    ...scenario.requests.map(({ at, replica, groups: index }, i) => ({
      at,
      run: () => void request(replicas[replica]!, index, given.isFormer[i % given.isFormer.length]!),
    })),
    { at: given.revokedAt, run: () => void revoke(given.crashesAfter) },
    ...(given.crashesAfter === undefined ? [] : [{ at: given.revokedAt + 12_000, run: () => void revoke() }]),
  ].sort((a, b) => a.at - b.at)

  function inject(fault: Fault): void {
    if (fault.kind === 'flush') store.clear()
    else if (fault.kind === 'crash') replicas[fault.replica]!.crash()
    else if (fault.kind === 'disconnect') replicas[fault.replica]!.disconnect(fault.durationMs)
    else if (fault.kind === 'missMessages') replicas[fault.replica]!.missMessages(fault.durationMs)
  }

  for (const { at, run } of events) {
    await clock.advance(Math.max(0, start + at - clock.now()))
    run()
  }
  await clock.advance(drainMs)
  // Each replica starts the check that is due, and then every request of the former sign-in is rejected.
  for (const _ of [1, 2]) {
    for (const replica of replicas) if (replica.isAlive()) void request(replica, 0, true)
    await clock.advance(drainMs / 4)
  }
  return { violations, revocation, isAbsent, stored: directory.users.get('bob') }
}

for (const [title, faults] of [
  ['without faults', []],
  [
    'when replicas crash, lose Redis and miss messages, and Redis loses its data',
    ['crash', 'disconnect', 'flush', 'missMessages'],
  ],
] as const) {
  test(`a sign-in from before a revocation never gets a working credential ${title} (property 10 of credentials-model.md)`, async () => {
    let rejections = 0
    await fc.assert(
      fc.asyncProperty(scenarios(faults), async (given) => {
        const { violations, revocation, isAbsent, stored } = await simulate(given)
        assert.deepEqual(violations, [])
        if (stored === undefined || (isAbsent && revocation === undefined)) return
        assert.equal(revocation?.isStable, true)
        const state = readManagedState(stored.metadata)!
        assert.equal(state.not_before, revocation.current.not_before)
        assert.equal(stored.enabled, !given.disable)
        rejections++
      }),
      { seed, numRuns: runs, endOnFailure: process.env.MODEL_SHRINK !== '1' },
    )
    assert.ok(rejections > runs / 2, `only ${rejections} scenarios revoked a user`)
  })
}
