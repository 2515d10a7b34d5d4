import type { Definition } from './definitions.ts'

/**
 * The numbers of one series. They are counted without a look-up, an object or a string, and prom-client reads them only
 * when they are scraped: its own counters hash an object of labels for every increment.
 */
export class Count {
  value = 0
}

/** A histogram of durations. */
export class Durations {
  readonly #bounds: readonly number[]
  /** One count for each bound, and one for all longer durations. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(seconds: number): void {
    const bounds = this.#bounds
    let i = 0
    while (i < bounds.length && seconds > bounds[i]!) i++
    this.#counts[i]!++
    this.#sum += seconds
  }

  samples(name: string, labels: Labels): Sample[] {
    let count = 0
    const buckets = [...this.#bounds, '+Inf'].map((le, i): Sample => {
      count += this.#counts[i]!
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ]
  }
}

type Labels = Readonly<Record<string, string | number>>

/** A sample as prom-client formats it. */
export type Sample = Readonly<{ metricName?: string; labels: Labels; value: number }>

/** All series of a metric, by the values of its labels. */
export type Family<Series> = Readonly<{
  /** The series with these label values, in the order of the definition. For every request, keep the result. */
  of: (...values: string[]) => Series
  /** The samples under a name, which may be that of a metric that repeats this one. */
  samples: (name: string) => Sample[]
}>

/**
 * Creates the series whose label values are all known at once, so that they begin at 0: Prometheus does not see an
 * increase in the first sample of a series.
 */
export function createFamily<Series>(
  { labels = {} }: Definition,
  create: () => Series,
  samplesOf: (series: Series, name: string, labels: Labels) => Sample[],
): Family<Series> {
  const names = Object.keys(labels)
  const all = new Map<string, Readonly<{ labels: Labels; series: Series }>>()
  for (const values of combinations(Object.values(labels))) of(...values)

  function of(...values: string[]): Series {
    const key = values.join('\0')
    const known = all.get(key)
    if (known !== undefined) return known.series
    const series = create()
    all.set(key, { labels: Object.fromEntries(names.map((name, i) => [name, values[i]!])), series })
    return series
  }

  return Object.freeze({
    of,
    samples: (name: string) => [...all.values()].flatMap((one) => samplesOf(one.series, name, one.labels)),
  })
}

/** All combinations of label values; none if the values of a label are not known. */
function combinations(lists: readonly (readonly string[] | string)[]): string[][] {
  return lists.reduce<string[][]>(
    (before, values) =>
      typeof values === 'string' ? [] : before.flatMap((one) => values.map((value) => [...one, value])),
    [[]],
  )
}
