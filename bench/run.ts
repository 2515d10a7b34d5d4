/**
 * Runs the benchmarks with the built program and writes results.json, the tables in README.md and the plot. With `--quick` it only
 * shows that every case works, and writes nothing; with `--only NAME` it replaces the results of one case. Linux, with wrk and taskset.
 * `npm run bench -- [--quick] [--only NAME] [--rounds NUMBER]`
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { cases } from './cases.ts'
import { type CaseResult, runCase } from './harness.ts'
import { builtProgram, pinLoad } from './programs.ts'
import { keepMeasured, mergeCase, readResults, resultsFile, tableOf, writeReport } from './report.ts'

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, rounds: { type: 'string' } },
})
const selected = cases.filter(({ name }) => values.only === undefined || name === values.only)
if (selected.length === 0)
  throw new Error(`no case is named ${values.only}: ${cases.map(({ name }) => name).join(', ')}`)
if (!existsSync(builtProgram)) throw new Error('dist/main.cjs does not exist: run `npm run build`')

pinLoad()
const reports = ['results.json', 'results.svg', 'README.md'].map((name) => `:!bench/${name}`)
const isDirty = git('status', '--porcelain', '--', ':/', ...reports) !== ''
const commit = git('describe', '--always', '--exclude=*', '--abbrev=12') + (isDirty ? '-dirty' : '')
if (!values.quick && statSync(builtProgram).mtimeMs < 1000 * Number(git('log', '-1', '--format=%ct')))
  throw new Error('dist/ is older than the last commit: run `npm run build`')
const loadBefore = loadavg()
const results: CaseResult[] = []
for (const one of selected) {
  const rounds = values.rounds === undefined ? {} : { rounds: Number(values.rounds) }
  const result = await runCase(one, { isQuick: values.quick, ...rounds })
  console.log(tableOf(result))
  results.push(result)
}
// a case that could not run keeps its earlier results
if (!values.quick && results.some(({ rows }) => rows.length > 0)) {
  const run = { date: new Date().toISOString(), commit, loadAverage: { before: loadBefore, after: loadavg() } }
  const [processor] = cpus()
  const machine = {
    processor: `${cpus().length} × ${processor?.model}`,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    loadAverage: run.loadAverage,
  }
  const earlier = readResults()
  const all = {
    date: run.date,
    commit,
    versions: {
      node: process.versions.node,
      wrk: versionOf('wrk', '-v'),
      nginx: versionOf('/usr/sbin/nginx', '-v'),
      redis: versionOf('redis-server', '--version'),
    },
    machine,
    cases: results.map((result) => keepMeasured(result, earlier)),
  }
  const merged =
    values.only === undefined
      ? all
      : mergeCase(
          earlier,
          { ...results[0]!, run },
          cases.map(({ name }) => name),
        )
  writeFileSync(resultsFile, `${JSON.stringify(merged, null, 1)}\n`)
  writeReport()
}
process.exit(0)

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim()
}

/** The version that a program prints; undefined if it is not installed. */
function versionOf(program: string, flag: string): string | undefined {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' })
  return /\d+\.\d+[\w.]*/.exec(`${stdout}${stderr}`)?.[0]
}
