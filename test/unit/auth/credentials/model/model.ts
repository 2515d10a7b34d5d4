import fc from '../../../../support/property.ts'

/** What the invariants are stated for, in milliseconds; docs/credentials-model.md says how they belong together. */
export const expirationMs = 10_000
export const pause = 1000
/** Each way, so that there and back take no longer than what the pause leaves beside the clocks' difference. */
export const maxDelayMs = 120
export const maxSkewMs = 500
/** How much slower a replica's way to Elasticsearch may become, and how long marks live, which is longer. */
const slowest = 4000
export const lockTtlMs = 5000
const span = 40_000

export type Fault =
  | { kind: 'crash'; replica: number }
  | { kind: 'cut'; replica: number; length: number }
  | { kind: 'flush' }
  | { kind: 'deaf'; replica: number; length: number }
  /** From now on its reads or its writes in Elasticsearch take this much longer on their way there, or back. */
  | { kind: 'slow'; replica: number; length: number; call: 'get' | 'put'; way: 'there' | 'back' }

export type Model = {
  /** How long before midnight it begins. */
  beforeMidnight: number
  /** Whether a user is there already, under a key that everybody has lost. */
  hasLostUser: boolean
  /** For each replica: whether it makes passwords by the new key already. All of them know both keys. */
  hasNewKey: boolean[]
  skews: number[]
  delays: number[]
  /** `who` is an index of `subjects` (see live.ts). */
  requests: { at: number; replica: number; who: number }[]
  faults: { at: number; fault: Fault }[]
  /** When a replica sees the user without a group that gives access. */
  denials?: { at: number; replica: number }[]
}

export type ModelOptions = Readonly<{
  faults?: readonly Fault['kind'][]
  /** Whether the user comes with other groups at times. */
  changes?: boolean
}>

/** Three replicas; the first request comes at 0. */
export function modelWith({ faults = [], changes = true }: ModelOptions): fc.Arbitrary<Model> {
  // Without Redis replicas with different current keys make different passwords at the same moment: docs/credentials.md
  const mixedKeys = !faults.some((kind) => kind === 'cut' || kind === 'flush')
  const who = changes ? fc.integer({ min: 0, max: 2 }) : fc.constant(0)
  const request = fc.record({ at: requestTime, replica: replicaIndex, who })
  return fc.record({
    beforeMidnight: fc.oneof(fc.constant(12 * 60 * 60 * 1000), fc.integer({ min: 0, max: maxSkewMs + maxDelayMs })),
    hasLostUser: fc.boolean(),
    hasNewKey: mixedKeys ? triple(fc.boolean()) : fc.boolean().map((hasNew) => [hasNew, hasNew, hasNew]),
    skews: triple(fc.integer({ min: 0, max: maxSkewMs })),
    delays: fc.array(fc.integer({ min: 0, max: maxDelayMs }), { minLength: 5, maxLength: 60 }),
    requests: fc
      .tuple(request, fc.oneof(...[5, 24].map((maxLength) => fc.array(request, { minLength: 2, maxLength }))))
      .map(([first, others]) => [{ ...first, at: 0 }, ...others]),
    faults: faults.length === 0 ? fc.constant([]) : fc.array(faultAmong(faults), { minLength: 1, maxLength: 4 }),
  })
}

/** No faults; the user comes with and without groups that give access. */
export function modelOfDenials(): fc.Arbitrary<Model> {
  const denial = fc.record({ at: requestTime, replica: replicaIndex })
  return fc
    .record({ world: modelWith({}), denials: fc.array(denial, { minLength: 1, maxLength: 6 }) })
    .map(({ world, denials }) => ({ ...world, denials }))
}

/** Many come, with these groups or those, within a password's life; one replica is slow to write, and dies at it. */
export function modelOfLateWrites(): fc.Arbitrary<Model> {
  const at = fc.integer({ min: 0, max: expirationMs + 2 * pause })
  const request = fc.record({ at, replica: replicaIndex, who: fc.integer({ min: 0, max: 2 }) })
  return fc
    .record({
      world: modelWith({}),
      requests: fc.array(request, { minLength: 12, maxLength: 24 }),
      replica: replicaIndex,
      length: fc.integer({ min: slowest / 2, max: slowest }),
      death: fc.integer({ min: slowest, max: expirationMs + 2 * pause }),
    })
    .map(({ world, requests, replica, length, death }) => ({
      ...world,
      requests: [{ at: 0, replica: 0, who: 0 }, ...requests],
      faults: [
        { at: 0, fault: { kind: 'slow', replica, length, call: 'put', way: 'there' } },
        { at: death, fault: { kind: 'crash', replica } },
      ],
    }))
}

const replicaIndex = fc.integer({ min: 0, max: 2 })
const triple = <T>(one: fc.Arbitrary<T>) => fc.tuple(one, one, one).map((all): T[] => [...all])

const time = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: span }))
/** Many at once as well as here and there: about every end of a password, and in the midst of its life. */
const requestTime = fc.oneof(
  time,
  fc.tuple(fc.constantFrom(4000, 15_000, 26_000), fc.integer({ min: 0, max: 300 })).map(([at, offset]) => at + offset),
  fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -1500, max: 1500 }))
    .map(([turn, offset]) => Math.max(0, turn * (expirationMs + pause) + offset)),
)

function faultAmong(kinds: readonly Fault['kind'][]) {
  return fc.record({ at: time, fault: fc.oneof(...kinds.map(faultOf)) })
}

function faultOf(kind: Fault['kind']): fc.Arbitrary<Fault> {
  if (kind === 'flush') return fc.constant({ kind })
  if (kind === 'crash') return fc.record({ kind: fc.constant(kind), replica: replicaIndex })
  if (kind === 'slow') {
    return fc.record({
      kind: fc.constant(kind),
      replica: replicaIndex,
      length: fc.oneof(fc.integer({ min: 1, max: slowest }), fc.integer({ min: slowest - pause, max: slowest })),
      call: fc.constantFrom('get', 'put'),
      way: fc.constantFrom('there', 'back'),
    })
  }
  const length = fc.integer({ min: 1, max: 15_000 })
  return fc.record({ kind: fc.constant(kind), replica: replicaIndex, length })
}
