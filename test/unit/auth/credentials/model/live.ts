import { isDeepStrictEqual } from 'node:util'
import { isSameSet } from '../../../../../src/auth/credentials/lifecycle.ts'
import { readManagedState } from '../../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../../src/auth/credentials/password.ts'
import { decodeEntry } from '../../../../../src/auth/credentials/shared-entry.ts'
import type { UserToWrite } from '../../../../../src/auth/credentials/user-directory.ts'
import type { Subject } from '../../../../../src/auth/subject.ts'
import { createFakeClock } from '../../../../support/fake-clock.ts'
import { createMemoryDirectory, createMemoryUser } from '../../../../support/memory-directory.ts'
import { createMemorySharedStore } from '../../../../support/memory-shared-store.ts'
import { key, otherKey, subject } from '../fixture.ts'
import { expirationMs, type Fault, type Model, maxDelayMs, maxSkewMs, pause } from './model.ts'
import { createProcess, type Process } from './process.ts'

/** One user, as it may come: the second has more rights, the third other groups with the same rights. */
const subjects = [
  subject({ groups: ['staff'] }, ['reader']),
  subject({ groups: ['staff', 'admins'] }, ['admin', 'reader']),
  subject({ groups: ['staff', 'guests'] }, ['reader']),
] as const
const keyring = createKeyring([key, otherKey])

/** After a request everything has come to rest, and after another user's, everything that was owed. */
const [restAfter, settleTime] = [2500, 1000]
/** By then everything is over. */
const longAfter = 60_000
/** What was decided just before a password's end is handed out when the steps after that are done. */
const steps = 4 * maxDelayMs

/** What was seen that must not be, each as a sentence. */
export type Broken = Record<
  'refused' | 'tooSoon' | 'tooOld' | 'otherKey' | 'otherGroups' | 'stale' | 'keptRoles',
  string[]
>

/** Lives through a world. */
export async function live({
  beforeMidnight,
  hasLostUser,
  hasNewKey,
  skews,
  delays,
  requests,
  faults,
  denials = [],
}: Model) {
  const start = Date.UTC(2026, 10, 24) - beforeMidnight
  const clock = createFakeClock(start)
  const directory = createMemoryDirectory()
  const lost = { created: '2026-11-01', version: 1, key_id: 'lost', issued_at: start, fingerprint: 'former' }
  if (hasLostUser) directory.users.set('bob', createMemoryUser({ metadata: { elastauth: lost } }))
  const store = createMemorySharedStore(clock.now)
  let step = 0
  const travel = () => clock.sleep(delays[step++ % delays.length]!)
  const broken: Broken = {
    refused: [],
    tooSoon: [],
    tooOld: [],
    otherKey: [],
    otherGroups: [],
    stale: [],
    keptRoles: [],
  }
  const note = (kind: keyof Broken, what = '') => broken[kind].push(`at ${clock.now() - start}: ${what}`)
  const stored = () => readManagedState(directory.users.get('bob')?.metadata ?? {})

  const replicas = skews.map((ahead, index) => {
    const keys = hasNewKey[index] ? ([otherKey, key] as const) : ([key, otherKey] as const)
    return createProcess({ clock, directory, store, travel, ahead, keys, onWrite: checkWrite })
  })

  const seen = new Set<string>()
  /** When a denial was last written, and whether the last request was denied while no other waited. */
  let deniedAt = Number.NEGATIVE_INFINITY
  let isDeniedInQuiet = false

  /** Looks at every write that makes another password. It is not another for coming after a late write of a former one. */
  function checkWrite(username: string, { password, roles, metadata }: UserToWrite, currentKey: string) {
    if (username === 'bob' && roles.length === 0) deniedAt = clock.now()
    const [before, after] = [stored(), readManagedState(metadata)!]
    if (username !== 'bob' || seen.has(password) || (before && after.version <= before.version)) return
    seen.add(password)
    if (after.key_id !== currentKey) note('otherKey', after.key_id)
    if (before === undefined || !keyring.knows(before.key_id) || roles.length === 0) return
    const soonest = before.issued_at + expirationMs + pause - maxSkewMs
    if (clock.now() < soonest) note('tooSoon', `version ${after.version}, ${soonest - clock.now()} ms too soon`)
  }

  const waiting = new Set<Readonly<{ replica: Process; who: Subject }>>()
  const firstSeen = new Map<string, number>()
  let lastAsked: Subject | undefined
  let quietSince = start

  function ask(replica: Process, who: Subject): void {
    if (!replica.isAlive()) return
    if (lastAsked !== who) quietSince = clock.now()
    lastAsked = who
    isDeniedInQuiet = false
    const isAlone = () => lastAsked === who && waiting.values().every((other) => other.who === who)
    const isQuiet = () => isAlone() && clock.now() - quietSince > restAfter
    const beganInQuiet = isQuiet()
    const mark = { replica, who }
    waiting.add(mark)
    replica
      .obtain(who)
      .finally(() => {
        waiting.delete(mark)
        if (lastAsked !== who) quietSince = clock.now()
      })
      .then(async ({ authorization, state }) => {
        if (!replica.isAlive()) return
        if (replica.now() >= state.issued_at + expirationMs + steps) note('tooOld', 'past its end')
        const first = firstSeen.get(authorization) ?? clock.now()
        firstSeen.set(authorization, first)
        if (clock.now() > first + expirationMs + pause) note('tooOld', `handed out since ${first - start}`)
        const { roles = [] } = directory.users.get('bob') ?? {}
        const isTheirs = stored()?.fingerprint === who.fingerprint && isSameSet(roles, who.roles)
        if (beganInQuiet && isQuiet() && !isTheirs) note('otherGroups', `${roles}`)
        await travel()
        // A denial ends a password while requests of the user carry it.
        if (!directory.accepts(authorization) && clock.now() > deniedAt + restAfter) note('refused')
      })
      .catch((error) => note('refused', String(error)))
  }

  function deny(replica: Process): void {
    quietSince = clock.now()
    lastAsked = undefined
    isDeniedInQuiet = stuck() === 0
    replica.deny()
  }

  function afflict(fault: Fault): void {
    if (fault.kind === 'flush') store.clear()
    else if (fault.kind === 'crash') replicas[fault.replica]!.crash()
    else if (fault.kind === 'cut') replicas[fault.replica]!.cut(fault.length)
    else if (fault.kind === 'slow') replicas[fault.replica]!.slow(fault)
    else replicas[fault.replica]!.deafen(fault.length)
  }

  const stuck = () => [...waiting].filter(({ replica }) => replica.isAlive()).length
  let rests = 0

  /** Redis holds what Elasticsearch holds, or nothing, when nobody is about to change that. */
  async function lookAtRest(until: number): Promise<void> {
    do await clock.advance(restAfter)
    while (stuck() > 0 && clock.now() + restAfter + settleTime < until)
    if (stuck() > 0 || replicas.some((replica) => replica.isCut())) return
    const { roles = [] } = directory.users.get('bob') ?? {}
    if (isDeniedInQuiet && clock.now() - quietSince >= restAfter && roles.length > 0) note('keptRoles', `${roles}`)
    for (const replica of replicas) replica.askForAnother()
    await clock.advance(settleTime)
    const value = store.values().get('bob')
    const shared = value === undefined ? undefined : decodeEntry('bob', value, keyring)
    if (shared === undefined) return
    rests++
    if (!isDeepStrictEqual(shared, stored())) note('stale', value)
  }

  const events = [
    ...faults.map(({ at, fault }) => ({ at, run: () => afflict(fault) })),
    ...denials.map(({ at, replica }) => ({ at, run: () => deny(replicas[replica]!) })),
    ...requests.map(({ at, replica, who }) => ({ at, run: () => ask(replicas[replica]!, subjects[who]!) })),
  ].sort((a, b) => a.at - b.at)
  for (const [index, { at, run }] of events.entries()) {
    await clock.advance(start + at - clock.now())
    run()
    const next = events[index + 1]?.at ?? at + longAfter
    if (next - at > restAfter + settleTime) await lookAtRest(start + next)
  }
  await clock.advance(longAfter)

  return {
    broken,
    /** Requests that had no answer in the end. */
    waiting: stuck(),
    /** How often all was at rest, with something shared. */
    rests,
    writes: directory.written.filter(({ username }) => username === 'bob').length,
    /** Passwords that were made. */
    versions: (stored()?.version ?? 0) - (hasLostUser ? 1 : 0),
  }
}

export type Lived = Awaited<ReturnType<typeof live>>
