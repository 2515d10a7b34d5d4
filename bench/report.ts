/** Writes the table in README.md and the plot from results.json: `node bench/report.ts [--check]` */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cases as allCases } from './cases.ts'
import { type Case, type CaseResult, type Goal, isMet, type Row, type Run, type Summary } from './harness.ts'

const file = (name: string) => new URL(name, import.meta.url).pathname
export const resultsFile = file('results.json')
const markers = ['<!-- results -->', '<!-- end of results -->'] as const

export type Results = Readonly<{
  date: string
  commit: string
  versions: Readonly<{ node: string; wrk?: string; nginx?: string; redis?: string }>
  machine: Readonly<{
    processor: string
    memoryGigabytes: number
    kernel: string
    loadAverage: Readonly<{ before: readonly number[]; after: readonly number[] }>
  }>
  cases: readonly CaseResult[]
}>

export function readResults(): Results {
  return JSON.parse(readFileSync(resultsFile, 'utf8'))
}

/** The results with those of one case replaced or added, in the order of all cases. */
export function mergeCase(results: Results, measured: CaseResult, order: readonly string[]): Results {
  const merged = [...results.cases.filter(({ name }) => name !== measured.name), measured]
  return { ...results, cases: merged.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name)) }
}

/** The earlier result of a case that could not run now, if there is one, with the run that measured it. */
export function keepMeasured(result: CaseResult, { date, commit, machine, cases }: Results): CaseResult {
  const earlier = cases.find(({ name }) => name === result.name)
  if (result.rows.length > 0 || earlier === undefined || earlier.rows.length === 0) return result
  return { run: { date, commit, loadAverage: machine.loadAverage }, ...earlier }
}

/** The files that follow from the results, by path. The README also names those of `known` that have no results. */
export function buildReport(
  results: Results,
  known: readonly Pick<Case, 'name' | 'title'>[] = allCases,
  readme = readFileSync(file('README.md'), 'utf8'),
): Map<string, string> {
  const [start, rest = ''] = readme.split(markers[0])
  const [, end = ''] = rest.split(markers[1])
  const { date, commit, versions, machine, cases } = results
  const [before, after] = [machine.loadAverage.before[0], machine.loadAverage.after[0]].map((load) => load?.toFixed(1))
  const named = [
    ['wrk', versions.wrk],
    ['nginx', versions.nginx],
    ['Redis', versions.redis],
  ]
  const others = named.flatMap(([name, version]) => (version ? [`${name} ${version}, `] : []))
  const about =
    `${date.slice(0, 10)}, commit ${commit}, Node ${versions.node}, ${others.join('')}${machine.processor}, ${machine.memoryGigabytes} GB, Linux ` +
    `${machine.kernel}; load average ${before} before and ${after} after the run.`
  const tables = cases.map(tableOf).join('\n')
  const missing = known.filter(({ name }) => !cases.some((result) => result.name === name))
  const list = missing.map(({ name, title }) => `- ${title} (\`${name}\`)\n`)
  const noResults = list.length === 0 ? '' : `\n### Not measured yet\n\n${list.join('')}`
  return new Map([
    [file('README.md'), `${start}${markers[0]}\n\n${about}\n\n${tables}${noResults}\n${markers[1]}${end}`],
    [file('results.svg'), plotOf(cases)],
  ])
}

export function writeReport(): void {
  for (const [path, text] of buildReport(readResults())) writeFileSync(path, text)
}

export function tableOf({ title, rows, notShown, run }: CaseResult): string {
  const head = '| Program | Metric | Median (min–max) | Ratio to the first | Goal |\n|---|---|---|---|---|\n'
  const lines = rows.map((row) => {
    const { program, metric, summary, ratios, goals } = row
    const ratio = ratios[0] ? format(ratios[0]) : '–'
    return `| ${program} | ${metric} | ${format(summary)} | ${ratio} | ${goals.map((goal) => verdict(goal, row)).join(', ')} |\n`
  })
  const missing = notShown.map((reason) => `\nNot shown: ${reason}.\n`)
  const about = run === undefined ? '' : `\nMeasured in another run: ${describeRun(run)}.\n`
  const table = rows.length === 0 ? '' : `\n${head}${lines.join('')}`
  return `### ${title}\n${table}${missing.join('')}${about}`
}

function describeRun({ date, commit, loadAverage }: Run): string {
  const [before, after] = [loadAverage.before[0], loadAverage.after[0]].map((load) => load?.toFixed(1))
  return `${date.slice(0, 10)}, commit ${commit}; load average ${before} before and ${after} after the run`
}

function verdict(goal: Goal, row: Row): string {
  const { atLeast, atMost } = goal
  const limits = [atLeast !== undefined && `≥ ${atLeast}`, atMost !== undefined && `≤ ${atMost}`]
  const limit = limits.filter(Boolean).join(' and ')
  const met = isMet(goal, row)
  return `${limit}${goal.to === undefined ? '' : ` × ${goal.to}`}: ${met === undefined ? 'not shown' : met ? 'met' : 'not met'}`
}

function format({ median, min, max }: Summary): string {
  return `${median} (${min}–${max})`
}

/** A bar for each ratio of processor time, with a line from its minimum to its maximum; the scale of each case ends at its largest ratio. */
function plotOf(cases: readonly CaseResult[]): string {
  let y = 10
  const parts = cases.flatMap(({ title, rows }) => {
    const bars = rows.flatMap(({ program, metric, ratios: [ratio] }) =>
      ratio && metric.startsWith('processor time') ? [{ program, ratio }] : [],
    )
    if (bars.length === 0) return []
    const largest = Math.max(1, ...bars.map(({ ratio }) => ratio.max))
    const scale = (ratio: number) => ((480 * ratio) / largest).toFixed(1)
    y += 24
    const heading = `<text x="10" y="${y}" class="heading">${escapeXml(title)}, ratio to ${escapeXml(bars[0]!.ratio.to)}</text>`
    const shapes = bars.map(({ program, ratio }) => {
      y += 22
      const [middle, width] = [y - 5, scale(ratio.median)]
      return `<text x="10" y="${y}">${escapeXml(program)}</text><rect x="260" y="${y - 13}" width="${width}" height="15"/><path d="M${260 + Number(scale(ratio.min))} ${middle}H${260 + Number(scale(ratio.max))}"/><text x="770" y="${y}">${ratio.median}</text>`
    })
    return [heading, ...shapes]
  })
  const style =
    'text{fill:#1f2328;font:13px system-ui,sans-serif}.heading{font-weight:600}rect{fill:#54aeff}path{stroke:#1f2328;stroke-width:2}' +
    '@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#1f6feb}path{stroke:#e6edf3}}'
  const size = `viewBox="0 0 830 ${y + 14}" width="830" height="${y + 14}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img"><title>Benchmarks: ratios of processor time, with spread</title><style>${style}</style>\n${parts.join('\n')}\n</svg>\n`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

if (import.meta.main) {
  if (!process.argv.includes('--check')) writeReport()
  else {
    const isCurrent = ([path, text]: [string, string]) => existsSync(path) && readFileSync(path, 'utf8') === text
    const stale = [...buildReport(readResults())].filter((one) => !isCurrent(one))
    for (const [path] of stale) console.error(`${path} is out of date: run \`node bench/report.ts\``)
    process.exitCode = stale.length > 0 ? 1 : 0
  }
}
