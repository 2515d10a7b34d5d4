import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { createL2, type SharedStore } from '../../../src/auth/cache/l2.ts'
import { decodeEntry } from '../../../src/auth/cache/shared-entry.ts'
import type { UserDirectory } from '../../../src/auth/credentials.ts'
import { readManagedState } from '../../../src/auth/managed-user.ts'
import { createKeyring } from '../../../src/auth/password.ts'
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts'
import { createMemoryDirectory } from '../../support/memory-directory.ts'
import { createMemorySharedStore } from '../../support/memory-shared-store.ts'
import { createReplica, key, noon, subject } from './fixture.ts'

/**
 * A model of several replicas, one Redis and one Elasticsearch, in virtual time. What is driven is the real thing:
 * createCredentials, decide, recheck, L1 and L2; what is made up is how long each step takes on its way there and back,
 * who asks when and with which groups, whose clock is wrong by how much, and what dies. The numbers of the invariants
 * are those of docs/credentials-model.md. MODEL_RUNS sets how many worlds are tried; MODEL_SHRINK=1 looks
 * for the smallest world that fails, which takes its time.
 */
const runs = Number(process.env.MODEL_RUNS ?? 300)
const expiration = 10_000
const pause = 1000
/** Each way, so that there and back take no longer than what the pause leaves beside the clocks' difference. */
const longestDelay = 120
const longestSkew = 500
/** How much slower a replica's way to Elasticsearch may become, and how long marks live, which is longer. */
const [slowest, markLife] = [4000, 5000]
const span = 40_000
/** After a request everything has come to rest, and after another user's, everything that was owed. */
const [restAfter, settleTime] = [2500, 1000]

const staff = subject({ groups: ['staff'] }, ['reader'])
const admin = subject({ groups: ['staff', 'admins'] }, ['admin', 'reader'])
const keys = createKeyring([key])

type Fault =
  | { kind: 'crash'; replica: number }
  | { kind: 'cut'; replica: number; length: number }
  | { kind: 'flush' }
  | { kind: 'deaf'; replica: number; length: number }
  /** Its calls to Elasticsearch take this much longer on their way there. */
  | { kind: 'slow'; replica: number; length: number }

type World = {
  skews: number[]
  delays: number[]
  requests: { at: number; replica: number; promoted: boolean }[]
  faults: { at: number; fault: Fault }[]
}

const replicaIndex = fc.integer({ min: 0, max: 2 })
const time = fc.integer({ min: 0, max: span })
/** Many at once as well as here and there: at every end of a password, above all. */
const requestTime = fc.oneof(
  time,
  fc
    .integer({ min: 0, max: 3 })
    .chain((turn) => fc.integer({ min: -1500, max: 1500 }).map((o) => Math.max(0, turn * (expiration + pause) + o))),
)
const faultOf = (kinds: Fault['kind'][]): fc.Arbitrary<Fault> =>
  fc.oneof(
    ...kinds.map((kind): fc.Arbitrary<Fault> => {
      const length = fc.integer({ min: 1, max: 15_000 })
      if (kind === 'slow')
        return fc.record({
          kind: fc.constant(kind),
          replica: replicaIndex,
          length: fc.integer({ min: 1, max: slowest }),
        })
      if (kind === 'flush') return fc.constant({ kind })
      if (kind === 'crash') return fc.record({ kind: fc.constant(kind), replica: replicaIndex })
      return fc.record({ kind: fc.constant(kind), replica: replicaIndex, length })
    }),
  )

const worldWith = (kinds: Fault['kind'][], change: boolean): fc.Arbitrary<World> =>
  fc.record({
    skews: fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 0, max: longestSkew }))).map((all) => [...all]),
    delays: fc.array(fc.integer({ min: 0, max: longestDelay }), { minLength: 5, maxLength: 60 }),
    requests: fc.array(
      fc.record({ at: requestTime, replica: replicaIndex, promoted: change ? fc.boolean() : fc.constant(false) }),
      { minLength: 3, maxLength: 24 },
    ),
    faults:
      kinds.length === 0 ? fc.constant([]) : fc.array(fc.record({ at: time, fault: faultOf(kinds) }), { maxLength: 4 }),
  })

/** Lives through a world. Asserts what holds at every moment; returns what to look at when all is at rest. */
async function live({ skews, delays, requests, faults }: World) {
  const clock = createFakeClock(noon)
  const directory = createMemoryDirectory()
  const store = createMemorySharedStore(clock.now)
  let step = 0
  const travel = () => clock.sleep(delays[step++ % delays.length]!)
  const replicas = skews.map((ahead) => createProcess(clock, directory, store, travel, ahead))

  const events = [
    ...requests.map(({ at, replica, promoted }) => ({
      at,
      run: () => replicas[replica]!.ask(promoted ? admin : staff),
    })),
    ...faults.map(({ at, fault }) => ({ at, run: () => afflict(fault) })),
  ].sort((a, b) => a.at - b.at)

  function afflict(fault: Fault): void {
    if (fault.kind === 'flush') store.clear()
    else if (fault.kind === 'crash') replicas[fault.replica]!.crash()
    else if (fault.kind === 'cut') replicas[fault.replica]!.cut(fault.length)
    else if (fault.kind === 'slow') replicas[fault.replica]!.slow(fault.length)
    else replicas[fault.replica]!.deafen(fault.length)
  }

  const stale: string[] = []
  let rests = 0
  for (const [index, { at, run }] of events.entries()) {
    await clock.advance(noon + at - clock.now())
    run()
    const next = events[index + 1]?.at ?? Number.POSITIVE_INFINITY
    if (next - at > restAfter + settleTime) await lookAtRest()
  }
  await clock.advance(60_000)

  /** Redis holds what Elasticsearch holds, or nothing, when nobody is about to change that. */
  async function lookAtRest(): Promise<void> {
    await clock.advance(restAfter)
    if (replicas.some((replica) => replica.waiting() > 0 || replica.isCut())) return
    for (const replica of replicas) replica.askForAnother()
    await clock.advance(settleTime)
    const value = store.values().get('bob')
    const shared = value === undefined ? undefined : decodeEntry('bob', value, keys)
    if (shared === undefined) return
    rests++
    const stored = readManagedState(directory.users.get('bob')!.metadata)
    if (!isDeepStrictEqual(shared, stored)) stale.push(`at ${clock.now() - noon}: ${value}`)
  }

  const wrong = replicas.flatMap((replica) => replica.wrong)
  const waiting = replicas.reduce((sum, replica) => sum + replica.waiting(), 0)
  return {
    directory,
    wrong,
    waiting,
    stale,
    rests,
    writes: directory.written.filter(({ username }) => username === 'bob').length,
  }
}

/** A replica, its ways to the others, and what may become of it. */
function createProcess(
  clock: FakeClock,
  directory: ReturnType<typeof createMemoryDirectory>,
  store: ReturnType<typeof createMemorySharedStore>,
  travel: () => Promise<void>,
  ahead: number,
) {
  let alive = true
  let cutUntil = 0
  let deafUntil = 0
  let strangers = 0
  let slowness = 0
  const wrong: string[] = []
  const pending = new Set<object>()
  const never = new Promise<never>(() => {})

  const reach =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>, isRedis: boolean) =>
    async (...args: A): Promise<T> => {
      const check = async () => {
        if (!alive) await never
        if (isRedis && clock.now() < cutUntil) throw new Error('no Redis')
      }
      await check()
      await travel()
      if (isRedis) await check()
      else if (slowness > 0) await clock.sleep(slowness)
      // what has been sent arrives, though its sender may be dead by now
      const result = await work(...args)
      await travel()
      await check()
      return result
    }
  const farDirectory: UserDirectory = {
    get: reach(directory.get, false),
    put: reach(directory.put, false),
    authenticate: reach(directory.authenticate, false),
  }
  const farStore: SharedStore = {
    get: reach(store.get, true),
    replace: reach(store.replace, true),
    claim: reach(store.claim, true),
    finish: reach(store.finish, true),
    doubt: reach(store.doubt, true),
  }
  const rules = { expiration, rotationPause: pause, extend: false, adoptExisting: false }
  const now = () => clock.now() + ahead
  const states = createL2({ store: farStore, keys, rules, markLife, now, sleep: clock.sleep })
  const replica = createReplica(farDirectory, clock, { states, rules, ahead, revalidate: 3000 })
  store.onChange(async (username, id) => {
    await travel()
    if (alive && clock.now() >= cutUntil && clock.now() >= deafUntil) replica.noteChange(username, id)
  })

  return Object.freeze({
    wrong,
    waiting: () => (alive ? pending.size : 0),
    crash() {
      alive = false
    },
    cut(length: number) {
      cutUntil = clock.now() + length
      void clock.sleep(length).then(() => alive && replica.recheckAll())
    },
    slow(length: number) {
      slowness = length
    },
    deafen(length: number) {
      deafUntil = clock.now() + length
      void clock.sleep(length).then(() => alive && replica.recheckAll())
    },
    ask(who: typeof staff) {
      if (!alive) return
      const mark = {}
      pending.add(mark)
      replica.obtain(who).then(
        (authorization) => {
          pending.delete(mark)
          if (alive && !directory.accepts(authorization)) wrong.push(`refused at ${clock.now() - noon}`)
        },
        (error) => wrong.push(`failed at ${clock.now() - noon}: ${error}`),
      )
    },
    isCut: () => alive && clock.now() < cutUntil,
    /** What brings a replica that lost Redis to make good what it could not mark. */
    askForAnother() {
      if (alive) replica.obtain(subject({ username: `other-${strangers++}` })).catch(() => {})
    },
  })
}

type Lived = Awaited<ReturnType<typeof live>>

const stateInElasticsearch = ({ directory }: Lived) => readManagedState(directory.users.get('bob')!.metadata)
function check(name: string, worlds: fc.Arbitrary<World>, holds: (lived: Lived, world: World) => void | Promise<void>) {
  test(name, { timeout: 120_000 }, () =>
    fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        const lived = await live(world)
        assert.deepEqual(lived.wrong, [], 'invariant 1: what is handed out opens Elasticsearch')
        assert.equal(lived.waiting, 0, 'invariant 2: nobody waits for ever')
        await holds(lived, world)
      }),
      { numRuns: runs, endOnFailure: process.env.MODEL_SHRINK !== '1' },
    ),
  )
}

check('3: without faults and with one set of groups, each version is written once', worldWith([], false), (lived) => {
  const { version = 0 } = stateInElasticsearch(lived) ?? {}
  assert.equal(lived.writes, version)
})

check(
  '4: at most one rotation per life of a password, whatever dies',
  worldWith(['crash', 'cut', 'flush', 'deaf'], true),
  (lived, { requests }) => {
    const state = lived.directory.users.get('bob')?.metadata
    const version = (state && readManagedState(state)?.version) ?? 0
    // whoever comes shortly before an end may have to wait for what comes after it
    const last = Math.max(...requests.map(({ at }) => at)) + 2 * pause
    assert.ok(version <= 1 + last / expiration, `version ${version}`)
  },
)

const isShared = ({ stale }: Lived) => assert.deepEqual(stale, [])
check('5: at rest, what is shared is what Elasticsearch holds, whoever wrote when', worldWith([], true), isShared)
check('5, when replicas die in the midst of it', worldWith(['crash', 'deaf'], true), isShared)
test('5, when a replica’s writes take longer than others wait for them', { timeout: 120_000 }, () =>
  fc.assert(
    fc.asyncProperty(worldWith(['slow', 'crash'], true), async (world) => {
      const lived = await live(world)
      assert.equal(lived.waiting, 0)
      isShared(lived)
    }),
    { numRuns: runs, endOnFailure: process.env.MODEL_SHRINK !== '1' },
  ),
)

check('5, when replicas lose Redis for a while', worldWith(['cut', 'deaf'], true), isShared)

test('the worlds do come to rest with something shared, often enough to mean something', async () => {
  let rests = 0
  await fc.assert(
    fc.asyncProperty(worldWith([], true), async (world) => {
      rests += (await live(world)).rests
    }),
    { numRuns: 50 },
  )
  assert.ok(rests > 50, `only ${rests}`)
})
