import {
  type CounterName,
  type Definition,
  definitions,
  type GaugeName,
  type HistogramName,
  type MetricName,
} from './definitions.ts'
import { Count, createFamily, Durations, type Family, type Sample } from './series.ts'

/** The value of a metric without labels, or a value for each combination of label values. */
export type Reading = number | readonly (readonly [...labels: string[], value: number])[]

/** What is counted, by the name of the metric. */
export type Families = Readonly<{
  counter: (name: CounterName) => Family<Count>
  histogram: (name: HistogramName) => Family<Durations>
  /** Defines a metric whose values are read when they are scraped, so that nothing has to report them. */
  read: (name: GaugeName | CounterName, read: () => Reading) => void
  /** The samples of a metric, under another name if another one repeats it. */
  samplesOf: (name: MetricName, shownName: string) => Sample[]
}>

export function createFamilies(): Families {
  const sources = new Map<MetricName, (shownName: string) => Sample[]>()
  return Object.freeze<Families>({
    counter(name) {
      const family = createFamily<Count>(
        definitions[name],
        () => new Count(),
        ({ value }, _shownName, labels) => [{ labels, value }],
      )
      sources.set(name, family.samples)
      return family
    },
    histogram(name) {
      const { buckets } = definitions[name]
      const family = createFamily<Durations>(
        definitions[name],
        () => new Durations(buckets),
        (durations, shownName, labels) => durations.samples(shownName, labels),
      )
      sources.set(name, family.samples)
      return family
    },
    read(name, readNow) {
      const { labels = {} }: Definition = definitions[name]
      sources.set(name, () => toSamples(Object.keys(labels), readNow()))
    },
    samplesOf: (name, shownName) => sources.get(name)?.(shownName) ?? [],
  })
}

function toSamples(labelNames: readonly string[], reading: Reading): Sample[] {
  if (typeof reading === 'number') return [{ labels: {}, value: reading }]
  return reading.map((row) => ({
    labels: Object.fromEntries(labelNames.map((name, i) => [name, row[i]!])),
    value: row.at(-1) as number,
  }))
}
