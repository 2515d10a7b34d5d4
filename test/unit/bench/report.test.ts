import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { cases } from '../../../bench/cases.ts'
import { summarize } from '../../../bench/harness.ts'
import { buildReport, readResults } from '../../../bench/report.ts'
import { findFaults, pages } from '../../support/documentation.ts'

const results = readResults()

test('the tables and the plot of the benchmarks agree with results.json', () => {
  for (const [path, text] of buildReport(results))
    assert.equal(readFileSync(path, 'utf8'), text, `${path}: run \`node bench/report.ts\``)
})

test('the README lists the cases without results, and omits the list when there are none', () => {
  const readmeFor = (known: Parameters<typeof buildReport>[1]) => {
    const [, readme] = [...buildReport(results, known, '<!-- results -->\n<!-- end of results -->')][0]!
    return readme
  }
  const measured = results.cases.map(({ name, title }) => ({ name, title }))
  assert.match(
    readmeFor([...measured, { name: 'new', title: 'A new case' }]),
    /\n\n### Not measured yet\n\n- A new case \(`new`\)\n\n<!-- end of results -->/,
  )
  assert.doesNotMatch(readmeFor(measured), /Not measured yet/)
})

test('case names are unique, and every benchmark that a page names exists', () => {
  const names = new Set(cases.map(({ name }) => name))
  assert.equal(names.size, cases.length)
  const readme = {
    path: 'bench/README.md',
    text: readFileSync(new URL('../../../bench/README.md', import.meta.url), 'utf8'),
  }
  const reference = /(?:npm run bench -- --only |\bbenchmark `)([\w-]+)/g
  const isUnknown = ([, name]: readonly string[]) => !names.has(name!)
  assert.deepEqual(findFaults([...pages, readme], reference, isUnknown), [])
  assert.ok(findFaults(pages, reference, () => true).length >= 4)
})

test('results.json has results of existing cases only, in their order, with the ratios that follow from the values', () => {
  const measuredNames = new Set(results.cases.map(({ name }) => name))
  assert.deepEqual(
    results.cases.map(({ name }) => name),
    cases.map(({ name }) => name).filter((name) => measuredNames.has(name)),
  )
  for (const { name, rows } of results.cases) {
    for (const metric of new Set(rows.map((row) => row.metric))) {
      const measured = rows.filter((row) => row.metric === metric)
      const again = summarize(
        measured.map(({ program, goals, values }) => ({
          name: program,
          goals,
          figures: values.map((value) => ({ [metric]: value })),
        })),
      )
      const ratiosOf = (all: typeof rows) => all.map(({ program, ratios }) => [program, ratios.map(({ to }) => to)])
      assert.deepEqual(ratiosOf(again), ratiosOf(measured), name)
      for (const [i, row] of again.entries()) {
        assert.deepEqual(row.summary, measured[i]!.summary, `${name}: ${row.program}`)
        for (const [j, ratio] of row.ratios.entries()) {
          const written = measured[i]!.ratios[j]!.median
          assert.ok(Math.abs(ratio.median / written - 1) < 0.01, `${name}: ${row.program}: ${ratio.median}, ${written}`)
        }
      }
    }
  }
})
