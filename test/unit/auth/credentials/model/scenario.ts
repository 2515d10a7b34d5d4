import fc from '../../../../support/property.ts'

/** The conditions of the invariants, in milliseconds: see docs/credentials-model.md. */
export const expirationMs = 10_000
export const pauseMs = 1000
/** Of one direction: there and back take at most what the rotation pause leaves beside the clock skew. */
export const maxDelayMs = 120
export const maxClockSkewMs = 500
/** The maximum by which a replica's calls to Elasticsearch become slower. Locks expire later than that. */
const maxSlownessMs = 4000
export const lockTtlMs = 5000
const durationMs = 40_000

export type Fault =
  | { kind: 'crash'; replica: number }
  /** From Redis. */
  | { kind: 'disconnect'; replica: number; durationMs: number }
  | { kind: 'flush' }
  /** The replica receives no change notifications. */
  | { kind: 'missMessages'; replica: number; durationMs: number }
  /** From now on the requests of its reads or writes in Elasticsearch, or their responses, take this much longer. */
  | { kind: 'slow'; replica: number; delayMs: number; call: 'get' | 'put'; direction: 'request' | 'response' }

/** All times are milliseconds since the start. */
export type Scenario = {
  /** How long before midnight it starts. */
  beforeMidnightMs: number
  /** Whether the user exists under a key that no replica knows. */
  hasLostUser: boolean
  /** For each replica: whether the new key is its current one. All replicas know both keys. */
  hasNewKey: boolean[]
  clockSkewsMs: number[]
  delaysMs: number[]
  /** `groups` is an index of `subjects` (see simulate.ts). */
  requests: { at: number; replica: number; groups: number }[]
  faults: { at: number; fault: Fault }[]
  /** When a replica denies the user. */
  denials?: { at: number; replica: number }[]
}

export type ScenarioOptions = Readonly<{
  faults?: readonly Fault['kind'][]
  /** Whether the user's groups change. */
  changesGroups?: boolean
}>

/** Three replicas; the first request comes at the start. */
export function scenariosWith({ faults = [], changesGroups = true }: ScenarioOptions): fc.Arbitrary<Scenario> {
  // Without Redis, replicas with different current keys may issue different passwords: docs/credentials.md
  const mixesKeys = !faults.some((kind) => kind === 'disconnect' || kind === 'flush')
  const groups = changesGroups ? fc.integer({ min: 0, max: 2 }) : fc.constant(0)
  const request = fc.record({ at: requestTime, replica: replicaIndex, groups })
  return fc.record({
    beforeMidnightMs: fc.oneof(
      fc.constant(12 * 60 * 60 * 1000),
      fc.integer({ min: 0, max: maxClockSkewMs + maxDelayMs }),
    ),
    hasLostUser: fc.boolean(),
    hasNewKey: mixesKeys ? triple(fc.boolean()) : fc.boolean().map((hasNew) => [hasNew, hasNew, hasNew]),
    clockSkewsMs: triple(fc.integer({ min: 0, max: maxClockSkewMs })),
    delaysMs: fc.array(fc.integer({ min: 0, max: maxDelayMs }), { minLength: 5, maxLength: 60 }),
    requests: fc
      .tuple(request, fc.oneof(...[5, 24].map((maxLength) => fc.array(request, { minLength: 2, maxLength }))))
      .map(([first, others]) => [{ ...first, at: 0 }, ...others]),
    faults: faults.length === 0 ? fc.constant([]) : fc.array(faultAmong(faults), { minLength: 1, maxLength: 4 }),
  })
}

/** The user is allowed and denied, without faults. */
export function scenariosWithDenials(): fc.Arbitrary<Scenario> {
  const denial = fc.record({ at: requestTime, replica: replicaIndex })
  return fc
    .record({ scenario: scenariosWith({}), denials: fc.array(denial, { minLength: 1, maxLength: 6 }) })
    .map(({ scenario, denials }) => ({ ...scenario, denials }))
}

/** Many requests with changing groups within the life of a password, while the writes of one replica are slow, until it crashes. */
export function scenariosWithLateWrites(): fc.Arbitrary<Scenario> {
  const at = fc.integer({ min: 0, max: expirationMs + 2 * pauseMs })
  const request = fc.record({ at, replica: replicaIndex, groups: fc.integer({ min: 0, max: 2 }) })
  return fc
    .record({
      scenario: scenariosWith({}),
      requests: fc.array(request, { minLength: 12, maxLength: 24 }),
      replica: replicaIndex,
      delayMs: fc.integer({ min: maxSlownessMs / 2, max: maxSlownessMs }),
      crashesAt: fc.integer({ min: maxSlownessMs, max: expirationMs + 2 * pauseMs }),
    })
    .map(({ scenario, requests, replica, delayMs, crashesAt }) => ({
      ...scenario,
      requests: [{ at: 0, replica: 0, groups: 0 }, ...requests],
      faults: [
        { at: 0, fault: { kind: 'slow', replica, delayMs, call: 'put', direction: 'request' } },
        { at: crashesAt, fault: { kind: 'crash', replica } },
      ],
    }))
}

const replicaIndex = fc.integer({ min: 0, max: 2 })
const triple = <T>(one: fc.Arbitrary<T>) => fc.tuple(one, one, one).map((all): T[] => [...all])

const time = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: durationMs }))
/** At any time, in bursts within the life of a password, and around each expiry. */
const requestTime = fc.oneof(
  time,
  fc.tuple(fc.constantFrom(4000, 15_000, 26_000), fc.integer({ min: 0, max: 300 })).map(([at, offset]) => at + offset),
  fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -1500, max: 1500 }))
    .map(([rotation, offset]) => Math.max(0, rotation * (expirationMs + pauseMs) + offset)),
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
      delayMs: fc.oneof(
        fc.integer({ min: 1, max: maxSlownessMs }),
        fc.integer({ min: maxSlownessMs - pauseMs, max: maxSlownessMs }),
      ),
      call: fc.constantFrom('get', 'put'),
      direction: fc.constantFrom('request', 'response'),
    })
  }
  return fc.record({
    kind: fc.constant(kind),
    replica: replicaIndex,
    durationMs: fc.integer({ min: 1, max: 15_000 }),
  })
}
