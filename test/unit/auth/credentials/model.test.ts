import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from '../../../support/property.ts'
import {
  expirationMs,
  pauseMs,
  type Scenario,
  scenariosWith,
  scenariosWithDenials,
  scenariosWithLateWrites,
} from './model/scenario.ts'
import { type Result, simulate, type Violations } from './model/simulate.ts'

/**
 * Several replicas, one Redis and one Elasticsearch in virtual time. The code under test is real: createCredentials, decide,
 * revalidation, the credential cache and the shared cache. Generated are the network delays, the requests and their groups, the
 * clock skews, the keys and the faults. The numbers of the invariants are those of docs/credentials-model.md. MODEL_RUNS sets how
 * many scenarios are tried; MODEL_SHRINK=1 searches for the smallest scenario that fails, which takes a while.
 */
const runs = Number(process.env.MODEL_RUNS ?? 300)
/** The same scenarios each time, so that a new failure is caused by a change; another MODEL_SEED tries others. */
const seed = Number(process.env.MODEL_SEED ?? 1)
const command = `MODEL_SEED=${seed} MODEL_RUNS=${runs} node --test test/unit/auth/credentials/model.test.ts`

const invariants: Readonly<Record<keyof Violations, string>> = {
  rejected: '1: every request gets a credential that Elasticsearch accepts when it arrives there',
  rotatedTooSoon: '4: a password is replaced only when the rotation pause after its expiry is over',
  staleEntry: '5: at rest, a shared entry is what Elasticsearch holds',
  expired: '6: no password is handed out after its expiry, nor again under a later version',
  wrongGroups: '7: an undisturbed request finds its roles and groups in Elasticsearch',
  wrongKey: '8: a new password is derived from the current key of the replica that issues it',
  keptRoles: '9: a denied user has no roles in Elasticsearch afterwards',
}

type Exceptions = readonly (keyof Violations)[]

function check(
  title: string,
  scenarios: fc.Arbitrary<Scenario>,
  { exceptFor = [], also }: Readonly<{ exceptFor?: Exceptions; also?: (result: Result, scenario: Scenario) => void }>,
) {
  test(title, async () => {
    const run = await fc.check(
      fc.asyncProperty(scenarios, async (scenario) => {
        const result = await simulate(scenario)
        assert.equal(result.unfinished, 0, '2: every request ends')
        for (const [kind, invariant] of Object.entries(invariants) as [keyof Violations, string][]) {
          if (!exceptFor.includes(kind)) assert.deepEqual(result.violations[kind], [], invariant)
        }
        also?.(result, scenario)
      }),
      { seed, numRuns: runs, endOnFailure: process.env.MODEL_SHRINK !== '1', includeErrorInReport: true },
    )
    assert.ok(!run.failed, `${fc.defaultReportMessage(run)}\n\nTo reproduce: ${command}`)
  })
}

check(
  'the model holds without faults, and each version is written once if the groups do not change (property 3 of credentials-model.md)',
  scenariosWith({ changesGroups: false }),
  { also: ({ writes, versions }) => assert.equal(writes, versions) },
)

check('the model holds without faults if the groups change', scenariosWith({}), {})
check('the model holds without faults if the user is denied at times', scenariosWithDenials(), {})

/** Missed changes are detected late, by the next check. */
const withMissedChanges = ['wrongGroups'] as const

check(
  'the model holds with Redis faults and crashes of replicas, and a password is rotated at most once in its lifetime',
  scenariosWith({ faults: ['crash', 'disconnect', 'flush', 'missMessages'] }),
  {
    exceptFor: [...withMissedChanges, 'staleEntry'],
    also({ versions }, { requests }) {
      // A request shortly before an expiry may wait for the next password.
      const lastMs = Math.max(...requests.map(({ at }) => at)) + 2 * pauseMs
      assert.ok(versions <= 1 + lastMs / expirationMs, `${versions} versions`)
    },
  },
)
check('the model holds when replicas crash', scenariosWith({ faults: ['crash', 'missMessages'] }), {
  exceptFor: withMissedChanges,
})
check(
  'the model holds when replicas lose Redis for a while',
  scenariosWith({ faults: ['disconnect', 'missMessages'] }),
  {
    exceptFor: withMissedChanges,
  },
)
/** Slow calls exceed the conditions of the invariants about time. */
const withSlowCalls = ['rejected', 'expired', 'wrongGroups'] as const

check('the model holds when calls take longer than a lock timeout', scenariosWith({ faults: ['slow'] }), {
  exceptFor: withSlowCalls,
})
check('the model holds when slow replicas crash', scenariosWith({ faults: ['slow', 'crash'] }), {
  exceptFor: withSlowCalls,
})
check('the model holds when writes arrive after their replica has crashed', scenariosWithLateWrites(), {
  exceptFor: withSlowCalls,
})

const handWritten = {
  beforeMidnightMs: 12 * 60 * 60 * 1000,
  hasLostUser: false,
  hasNewKey: [false, false, false],
  clockSkewsMs: [0, 0, 0],
  delaysMs: [50],
}

test('a state that was read before a write and is published after the write does not replace the newer entry (property 5 of credentials-model.md)', async () => {
  const { violations } = await simulate({
    ...handWritten,
    requests: [
      { at: 0, replica: 2, groups: 0 },
      { at: 3900, replica: 0, groups: 0 }, // reads Elasticsearch, since Redis is empty
      { at: 4100, replica: 1, groups: 1 }, // writes in the meantime
    ],
    faults: [
      { at: 0, fault: { kind: 'slow', replica: 0, delayMs: 1500, call: 'get', direction: 'response' } },
      { at: 3500, fault: { kind: 'flush' } },
    ],
  })
  assert.deepEqual(violations.staleEntry, [])
})

test('a lock taken just before a taint expires gets its full TTL (property 5 of credentials-model.md)', async () => {
  const { violations } = await simulate({
    ...handWritten,
    requests: [
      { at: 0, replica: 0, groups: 0 }, // loses its lock, which taints the user for five seconds
      { at: 4700, replica: 0, groups: 1 }, // takes a lock when half a second of them is left
      { at: 5500, replica: 1, groups: 2 }, // comes after the five seconds
    ],
    faults: [
      { at: 300, fault: { kind: 'flush' } },
      { at: 1000, fault: { kind: 'slow', replica: 0, delayMs: 3000, call: 'put', direction: 'request' } },
      { at: 5200, fault: { kind: 'crash', replica: 0 } }, // its write still arrives, as the last one
    ],
  })
  assert.deepEqual(violations.staleEntry, [])
})

test('enough generated scenarios come to rest with a shared entry for the model to be meaningful', async () => {
  let comparedEntries = 0
  await fc.assert(
    fc.asyncProperty(scenariosWith({}), async (scenario) => {
      comparedEntries += (await simulate(scenario)).comparedEntries
    }),
    { seed, numRuns: 50 },
  )
  assert.ok(comparedEntries > 50, `only ${comparedEntries}`)
})
