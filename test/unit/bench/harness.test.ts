import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isMet, runCase, summarize, summaryOf } from '../../../bench/harness.ts'
import { startProgram } from '../../../bench/programs.ts'
import { keepMeasured, mergeCase, type Results, tableOf } from '../../../bench/report.ts'
import { cpuPerRequest, percentile, readH2spec, readWrk, users } from '../../../bench/requests.ts'
import { superiority } from '../../../bench/unknown-user.ts'

const metric = 'processor time per request, µs'
const series = (...values: number[]) => values.map((value) => ({ [metric]: value }))

describe('the figures of the benchmarks', () => {
  test('a summary has the median, the minimum and the maximum, whatever the order of the values', () => {
    assert.deepEqual(summaryOf([9, 1, 5]), { median: 5, min: 1, max: 9 })
    assert.deepEqual(summaryOf([8, 2, 4, 1]), { median: 3, min: 1, max: 8 })
    assert.throws(() => summaryOf([]), /no values/)
  })

  test('a ratio is the median of the ratios within a round, not the ratio of the medians', () => {
    const [bare, own] = summarize([
      { name: 'bare', goals: [], figures: series(10, 20, 40) },
      { name: 'elastauth', goals: [{ metric, to: 'bare', atMost: 1.5 }], figures: series(30, 20, 40) },
    ])
    assert.deepEqual(bare!.ratios, [])
    assert.deepEqual(own!.ratios, [{ to: 'bare', median: 1, min: 1, max: 3 }])
    assert.equal(isMet(own!.goals[0]!, own!), true)
    assert.equal(isMet({ metric, to: 'bare', atMost: 0.9 }, own!), false)
    assert.equal(isMet({ metric, atLeast: 31 }, own!), false)
    assert.equal(isMet({ metric, to: 'missing', atMost: 1 }, own!), undefined)
  })

  test('programs alternate in changing order, and the first round only warms up', async () => {
    const order: string[] = []
    const program = (name: string) => ({
      name,
      measure: async () => ({ [metric]: order.push(name) }),
    })
    const one = { name: 'x', title: 'X', prepare: async () => [program('a'), program('b')] }
    const { rows } = await runCase(one, { isQuick: false, rounds: 2 })
    assert.equal(order.join(''), 'baabba')
    assert.deepEqual(
      rows.map(({ values }) => values),
      [
        [3, 6],
        [4, 5],
      ],
    )
  })

  test('a program that is not installed, and a case that cannot run, are listed with the reason', async () => {
    const program = { name: 'a', notShown: 'set A_BIN' }
    const one = { name: 'x', title: 'X', prepare: async () => [program] }
    assert.deepEqual((await runCase(one, { isQuick: true })).notShown, ['a: set A_BIN'])
    const other = { name: 'y', title: 'Y', prepare: async () => 'there is no Redis' }
    assert.deepEqual((await runCase(other, { isQuick: true })).notShown, ['there is no Redis'])
  })
})

describe('the report of the benchmarks', () => {
  const one = (name: string, title = name) => ({ name, title, rows: [], notShown: [] })
  const loadAverage = { before: [0.52, 1, 1], after: [1.98, 1, 1] }

  test('a case that is measured alone replaces its results or is added in the order of all cases, and its table says when', () => {
    const results = { commit: 'first', cases: [one('a'), one('b', 'old'), one('d')] } as unknown as Results
    const run = { date: '2026-11-29T10:00:00.000Z', commit: 'second', loadAverage }
    const order = ['a', 'b', 'c', 'd']
    const merged = mergeCase(mergeCase(results, { ...one('b'), run }, order), { ...one('c'), run }, order)
    assert.deepEqual(merged, {
      commit: 'first',
      cases: [one('a'), { ...one('b'), run }, { ...one('c'), run }, one('d')],
    })
    assert.match(
      tableOf(merged.cases[1]!),
      /Measured in another run: 2026-11-29, commit second; load average 0\.5 before and 2\.0 after the run\.\n$/,
    )
  })

  test('a case that could not run keeps its earlier results with the run that measured them, if there are any', () => {
    const rows = summarize([{ name: 'a', goals: [], figures: series(1) }])
    const header = { date: '2026-11-29T10:00:00.000Z', commit: 'first' }
    const run = { date: '2026-11-28T10:00:00.000Z', commit: 'older', loadAverage }
    const cases = [{ ...one('b'), rows }, { ...one('c'), rows, run }, one('d')]
    const earlier = { ...header, machine: { loadAverage }, cases } as unknown as Results
    const skipped = (name: string) => ({ ...one(name), notShown: ['set ELASTICSEARCH_URL'] })
    assert.deepEqual(keepMeasured(skipped('b'), earlier), { ...one('b'), rows, run: { ...header, loadAverage } })
    assert.deepEqual(keepMeasured(skipped('c'), earlier), { ...one('c'), rows, run })
    for (const name of ['d', 'e']) assert.deepEqual(keepMeasured(skipped(name), earlier), skipped(name))
    const again = { ...one('b'), rows: summarize([{ name: 'a', goals: [], figures: series(2) }]) }
    assert.deepEqual(keepMeasured(again, earlier), again)
  })

  test('a case without rows has the reason in place of a table', () => {
    assert.equal(tableOf({ ...one('x'), notShown: ['set A_BIN'] }), '### x\n\nNot shown: set A_BIN.\n')
  })

  test('a goal with two limits shows both, and is met between them only', () => {
    const tableFor = (value: number) => {
      const goals = [{ metric, atLeast: 0.45, atMost: 0.55 }]
      const rows = summarize([{ name: 'a', goals, figures: series(value) }])
      return tableOf({ ...one('x'), rows })
    }
    assert.match(tableFor(0.5), /≥ 0\.45 and ≤ 0\.55: met/)
    for (const value of [0.44, 0.56]) assert.match(tableFor(value), /≥ 0\.45 and ≤ 0\.55: not met/)
  })
})

test('the probability of superiority is 0.5 for equal distributions, and 0 or 1 for distributions that do not overlap', () => {
  assert.equal(superiority([1, 2, 3], [3, 2, 1]), 0.5)
  assert.equal(superiority([4, 5], [1, 2, 3]), 1)
  assert.equal(superiority([1, 2, 3], [4, 5]), 0)
  assert.equal(superiority([1, 3], [2]), 0.5)
})

test('a percentile is one of the measured values, regardless of their order', () => {
  assert.equal(percentile([30, 10, 20, 40], 0.5), 30)
  assert.equal(percentile([30, 10, 20, 40], 0.99), 40)
  assert.equal(percentile([30, 10], 1), 30)
  assert.throws(() => percentile([], 0.5), /no values/)
})

test('two batches of users do not overlap', () => {
  const names = [...users(0, 3), ...users(3, 5)].map((headers) => headers['Remote-User'])
  assert.deepEqual(
    names,
    [0, 1, 2, 3, 4].map((i) => `user-${i}@example.com`),
  )
})

describe('faults of a benchmark are errors', () => {
  test('a figure that is not a number fails the case with the name of the program', async () => {
    const program = { name: 'a', measure: async () => ({ [metric]: Number.NaN }) }
    const one = { name: 'x', title: 'X', prepare: async () => [program] }
    await assert.rejects(runCase(one, { isQuick: true }), /x, a: processor time per request, µs is NaN/)
  })

  test('a measurement without a successful request is an error', async () => {
    const none = cpuPerRequest({ name: 'elastauth', pid: process.pid }, async () => 0)
    await assert.rejects(none, /elastauth: no request was successful/)
    assert.throws(() => readWrk('elastauth', '  0 requests in 1.00s'), /elastauth: wrk got no response/)
    assert.throws(() => readWrk('elastauth', 'unable to connect'), /elastauth: wrk got no response/)
    const failures = '  7 requests in 1.00s\n  Non-2xx or 3xx responses: 7'
    assert.throws(() => readWrk('elastauth', failures), /not all responses were successful/)
    assert.equal(readWrk('elastauth', '  7 requests in 1.00s'), 7)
  })

  test('the failed tests of h2spec are read from its summary, and output without a summary is an error', () => {
    const output = '\nFinished in 7.4695 seconds\n145 tests, 135 passed, 1 skipped, 9 failed\n'
    assert.equal(readH2spec('elastauth', output), 9)
    assert.throws(() => readH2spec('elastauth', 'Error: connection refused'), /elastauth: h2spec printed no summary/)
  })

  test('a program that exits before it listens is an error with its name and its output', async () => {
    await using cleanup = new AsyncDisposableStack()
    const command = [process.execPath, '-e', 'console.error("no configuration"); process.exit(3)']
    await assert.rejects(startProgram({ cleanup }, 'elastauth', command, 1), (error: Error) => {
      assert.match(error.message, /^elastauth did not start \(exit code 3\):\nno configuration/)
      return true
    })
    await assert.rejects(startProgram({ cleanup }, 'nginx', ['/no/such/program'], 1), /^Error: nginx did not start/)
  })
})
