/** The common shape of all benchmarks, and how they run: the programs of a case alternate, round by round. */

/** Measured values by metric; the name of a metric ends with its unit, such as `processor time per request, µs`. */
export type Figures = Readonly<Record<string, number>>

/** A limit for a metric of a program, or for its ratio to the same metric of the program `to`. */
export type Goal = Readonly<{ metric: string; to?: string; atMost?: number; atLeast?: number }>

/** One of the programs that a case compares. */
export type Program = Readonly<
  { name: string } & ({ notShown: string } | { measure: () => Promise<Figures>; goals?: readonly Goal[] })
>

export type Case = Readonly<{
  /** For `--only`. */
  name: string
  title: string
  rounds?: number
  /** For cases that warm up themselves, or start the program again for each measurement: the first round counts as well. */
  hasNoWarmUp?: boolean
  /** @returns the programs, the first of which is the one to compare with; or the reason why the case cannot run here */
  prepare: (bench: Bench) => Promise<readonly Program[] | string>
}>

export type Bench = Readonly<{
  isQuick: boolean
  /** How long a measurement under load takes. */
  seconds: number
  /** @returns the second number in a quick run */
  size: (full: number, quick: number) => number
  cleanup: AsyncDisposableStack
}>

export type Summary = Readonly<{ median: number; min: number; max: number }>
export type Ratio = Summary & Readonly<{ to: string }>
export type Row = Readonly<{
  program: string
  metric: string
  values: readonly number[]
  summary: Summary
  ratios: readonly Ratio[]
  goals: readonly Goal[]
}>
export type Run = Readonly<{
  date: string
  commit: string
  loadAverage: Readonly<{ before: readonly number[]; after: readonly number[] }>
}>
export type CaseResult = Readonly<{
  name: string
  title: string
  rows: readonly Row[]
  /** What was not measured, and why. */
  notShown: readonly string[]
  /** The run that measured this case, if that was not the one of the other cases. */
  run?: Run
}>

/** Runs one case. `rounds` overrides its number of rounds. */
export async function runCase(
  { name, title, prepare, hasNoWarmUp, rounds: ownRounds = 5 }: Case,
  { isQuick, rounds = isQuick ? 1 : ownRounds }: Readonly<{ isQuick: boolean; rounds?: number }>,
): Promise<CaseResult> {
  await using cleanup = new AsyncDisposableStack()
  const size = (full: number, quick: number) => (isQuick ? quick : full)
  const programs = await prepare({ isQuick, seconds: size(2, 0.3), size, cleanup })
  if (typeof programs === 'string') return { name, title, rows: [], notShown: [programs] }

  const measurable = programs.filter((program) => 'measure' in program)
  const measured = measurable.map(({ name, goals = [] }) => ({ name, goals, figures: [] as Figures[] }))
  const firstRound = isQuick || hasNoWarmUp ? 0 : -1
  for (let round = firstRound; round < rounds; round++) {
    // in alternating order, so that a machine that becomes slower or faster affects all programs equally
    const order = [...measurable.keys()]
    for (const i of round % 2 === 0 ? order : order.toReversed()) {
      const figures = await measurable[i]!.measure()
      checkFigures(`${name}, ${measurable[i]!.name}`, figures)
      if (round >= 0) measured[i]!.figures.push(figures)
    }
  }
  const notShown = programs.flatMap((program) =>
    'notShown' in program ? [`${program.name}: ${program.notShown}`] : [],
  )
  return { name, title, rows: summarize(measured), notShown }
}

/** Rows for each metric of each program, with its ratios to the first program and to those that its goals name. */
export function summarize(
  measured: readonly Readonly<{ name: string; goals: readonly Goal[]; figures: readonly Figures[] }>[],
): Row[] {
  const valuesOf = (name: string, metric: string) =>
    measured.find((one) => one.name === name)?.figures.map((figures) => figures[metric] ?? Number.NaN) ?? []
  const base = measured[0]?.name ?? ''
  const metrics = [...new Set(measured.flatMap(({ figures }) => Object.keys(figures[0] ?? {})))]
  return metrics.flatMap((metric) =>
    measured.flatMap(({ name: program, goals, figures }) => {
      if (figures[0]?.[metric] === undefined) return []
      const values = valuesOf(program, metric).map(round)
      const ownGoals = goals.filter((goal) => goal.metric === metric)
      const others = new Set([base, ...ownGoals.flatMap(({ to }) => to ?? [])])
      const ratios = [...others].flatMap((to) => {
        const divisors = valuesOf(to, metric)
        if (to === program || divisors.length === 0 || divisors.some((value) => !(value > 0))) return []
        return [{ to, ...summaryOf(values.map((value, i) => value / divisors[i]!)) }]
      })
      return [{ program, metric, values, summary: summaryOf(values), ratios, goals: ownGoals }]
    }),
  )
}

/** With an even number of values, the median is the mean of the two in the middle. */
export function summaryOf(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  if (sorted.length === 0) throw new Error('no values to summarize')
  const [middle, upper] = [(sorted.length - 1) >> 1, sorted.length >> 1]
  const median = (sorted[middle]! + sorted[upper]!) / 2
  return { median: round(median), min: round(sorted[0]!), max: round(sorted.at(-1)!) }
}

/** Whether the median keeps the limit; undefined if the ratio to another program was not measured. */
export function isMet({ to, atMost = Infinity, atLeast = -Infinity }: Goal, row: Row): boolean | undefined {
  const summary = to === undefined ? row.summary : row.ratios.find((ratio) => ratio.to === to)
  return summary && summary.median <= atMost && summary.median >= atLeast
}

function checkFigures(where: string, figures: Figures): void {
  for (const [metric, value] of Object.entries(figures))
    if (!Number.isFinite(value)) throw new Error(`${where}: ${metric} is ${value}`)
}

/** To four significant digits. */
function round(value: number): number {
  return Number(value.toPrecision(4))
}
