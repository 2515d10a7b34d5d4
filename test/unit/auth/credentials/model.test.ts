import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from '../../../support/property.ts'
import { type Broken, type Lived, live } from './model/live.ts'
import { expirationMs, type Model, modelOfDenials, modelOfLateWrites, modelWith, pause } from './model/model.ts'

/**
 * A model of several replicas, one Redis and one Elasticsearch, in virtual time. What is driven is the real thing:
 * createCredentials, decide, recheck, L1 and L2; what is made up is how long each step takes on its way there and back,
 * who asks when and with which groups, whose clock is wrong by how much, which key is whose, and what dies. The numbers
 * of the invariants are those of docs/credentials-model.md. MODEL_RUNS sets how many worlds are tried; MODEL_SHRINK=1
 * looks for the smallest world that fails, which takes its time.
 */
const runs = Number(process.env.MODEL_RUNS ?? 300)
/** The same worlds each time, so that what goes red is a change's doing; another MODEL_SEED tries others. */
const seed = Number(process.env.MODEL_SEED ?? 1)
const again = `MODEL_SEED=${seed} MODEL_RUNS=${runs} node --test test/unit/auth/credentials/model.test.ts`

/** What each kind of sight breaks. */
const invariants: Readonly<Record<keyof Broken, string>> = {
  refused: '1: whoever asks is handed out what opens Elasticsearch when it arrives there',
  tooSoon: '4: a password is replaced only when the pause after its end is over',
  stale: '5: at rest, what is shared is what Elasticsearch holds',
  tooOld: '6: no password is handed out after its end, nor under another name',
  otherGroups: '7: who comes undisturbed has the roles of the groups it comes with',
  keptRoles: '9: whoever is denied while nobody comes has no roles in Elasticsearch afterwards',
  otherKey: '8: a new password is made with the current key of whoever makes it',
}

function check(
  name: string,
  worlds: fc.Arbitrary<Model>,
  holds: (lived: Lived, world: Model) => void = () => {},
  except: readonly (keyof Broken)[] = [],
) {
  test(name, async () => {
    const ran = await fc.check(
      fc.asyncProperty(worlds, async (world) => {
        const lived = await live(world)
        assert.equal(lived.waiting, 0, '2: nobody waits for ever')
        for (const [kind, invariant] of Object.entries(invariants) as [keyof Broken, string][]) {
          if (!except.includes(kind)) assert.deepEqual(lived.broken[kind], [], invariant)
        }
        holds(lived, world)
      }),
      { seed, numRuns: runs, endOnFailure: process.env.MODEL_SHRINK !== '1', includeErrorInReport: true },
    )
    assert.ok(!ran.failed, `${fc.defaultReportMessage(ran)}\n\nThe same again: ${again}`)
  })
}

check(
  'without faults and with one set of groups, each version is written once (3)',
  modelWith({ changes: false }),
  (lived) => assert.equal(lived.writes, lived.versions),
)

check('without faults', modelWith({}))
check('the user is denied at times', modelOfDenials())

/** What others changed is heard late, or by the next check. */
const unheard = ['otherGroups'] as const

check(
  'replicas die, lose Redis or its messages, and Redis its memory: at most one rotation per life of a password',
  modelWith({ faults: ['crash', 'cut', 'flush', 'deaf'] }),
  (lived, { requests }) => {
    // whoever comes shortly before an end may have to wait for what comes after it
    const last = Math.max(...requests.map(({ at }) => at)) + 2 * pause
    assert.ok(lived.versions <= 1 + last / expirationMs, `${lived.versions} versions`)
  },
  [...unheard, 'stale'],
)
check('replicas die in the midst of it', modelWith({ faults: ['crash', 'deaf'] }), undefined, unheard)
check('replicas lose Redis for a while', modelWith({ faults: ['cut', 'deaf'] }), undefined, unheard)
/** More than what the invariants about time are stated for. */
const untimely = ['refused', 'tooOld', 'otherGroups'] as const

check('a replica’s calls take longer than others wait for them', modelWith({ faults: ['slow'] }), undefined, untimely)
check('and it may die in the midst of it', modelWith({ faults: ['slow', 'crash'] }), undefined, untimely)
check('and what it has sent may arrive when it is forgotten', modelOfLateWrites(), undefined, untimely)

test('what a replica has read, and offers late, takes the place of nothing (5)', async () => {
  const { broken } = await live({
    beforeMidnight: 12 * 60 * 60 * 1000,
    hasLostUser: false,
    hasNewKey: [false, false, false],
    skews: [0, 0, 0],
    delays: [50],
    requests: [
      { at: 0, replica: 2, who: 0 },
      { at: 3900, replica: 0, who: 0 }, // reads Elasticsearch, since Redis has nothing
      { at: 4100, replica: 1, who: 1 }, // writes in the meantime
    ],
    faults: [
      { at: 0, fault: { kind: 'slow', replica: 0, length: 1500, call: 'get', way: 'back' } },
      { at: 3500, fault: { kind: 'flush' } },
    ],
  })
  assert.deepEqual(broken.stale, [])
})

test('a turn that is taken when doubt is nearly over lasts as long as any other (5)', async () => {
  const { broken } = await live({
    beforeMidnight: 12 * 60 * 60 * 1000,
    hasLostUser: false,
    hasNewKey: [false, false, false],
    skews: [0, 0, 0],
    delays: [50],
    requests: [
      { at: 0, replica: 0, who: 0 }, // finds its turn lost, which is doubt for five seconds
      { at: 4700, replica: 0, who: 1 }, // takes a turn when half a second is left of them
      { at: 5500, replica: 1, who: 2 }, // comes when they are over
    ],
    faults: [
      { at: 300, fault: { kind: 'flush' } },
      { at: 1000, fault: { kind: 'slow', replica: 0, length: 3000, call: 'put', way: 'there' } },
      { at: 5200, fault: { kind: 'crash', replica: 0 } }, // what it has sent arrives all the same, and last
    ],
  })
  assert.deepEqual(broken.stale, [])
})

test('the worlds do come to rest with something shared, often enough to mean something', async () => {
  let rests = 0
  await fc.assert(
    fc.asyncProperty(modelWith({}), async (world) => {
      rests += (await live(world)).rests
    }),
    { seed, numRuns: 50 },
  )
  assert.ok(rests > 50, `only ${rests}`)
})
