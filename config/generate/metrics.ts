import { type Definition, definitions, type Feature } from '../../src/observability/metrics/definitions.ts'

const head = `# Metrics

<!-- Generated from src/observability/metrics/definitions.ts by \`npm run docs\`. Do not edit. -->

This page says what each metric counts. With \`enable_metrics: true\`, elastauth serves these metrics for Prometheus, and those of Node.js and the process
(\`process_open_fds\`, \`nodejs_eventloop_lag_p99_seconds\` and others). [Operations](operations.md#metrics) says where, who may read them, and which
alerts use them.

- Histograms have the series \`…_bucket{le}\`, \`…_sum\` and \`…_count\`.
- A metric whose label values are all listed here has all its series from the start, with the value 0. Any other series begins when it is first counted.
- In auth-only mode, requests are sub-requests: a user who opens one page of Kibana causes dozens.
`

const sections: readonly Readonly<{ title: string; text?: string; belongs: (definition: Definition) => boolean }>[] = [
  { title: 'In both modes', belongs: ({ needs }) => needs === undefined },
  ...(
    [
      ['proxy', 'In proxy mode'],
      ['redis', 'With Redis (`cache.type: redis`)'],
      ['oidc', 'With OpenID Connect'],
      ['login', 'With sign-in through elastauth (`oidc.login` or `users.login`)'],
      ['audit', 'With an audit log'],
    ] satisfies [Feature, string][]
  ).map(([feature, title]) => ({
    title,
    belongs: ({ needs, repeats }: Definition) => needs === feature && repeats === undefined,
  })),
  {
    title: 'Names of the Go elastauth',
    text: 'In proxy mode, these metrics repeat the numbers of those without `proxy_`, so that existing dashboards and alerts keep working.',
    belongs: ({ repeats }) => repeats !== undefined,
  },
]

/** Builds docs/metrics.md: a table of all metrics. */
export function buildMetrics(): string {
  const all = Object.entries<Definition>(definitions)
  return `${head}${sections
    .map(({ title, text, belongs }) => {
      const rows = all
        .filter(([, definition]) => belongs(definition))
        .map(([name, definition]) => rowOf(name, definition))
      const before = text === undefined ? '' : `${text}\n\n`
      return `\n## ${title}\n\n${before}| Metric | Type | Meaning | Labels |\n|---|---|---|---|\n${rows.join('\n')}\n`
    })
    .join('')}`
}

function rowOf(name: string, { type, help, labels = {}, repeats }: Definition): string {
  const names = Object.keys(labels)
  const shown = names.length === 0 ? name : `${name}{${names.join(',')}}`
  const meaning = repeats === undefined ? help : `\`${repeats}\``
  const values = repeats === undefined ? Object.entries(labels).map(describeLabel).join('; ') : ''
  return `| \`${shown}\` | ${type} | ${meaning} | ${values} |`
}

function describeLabel([name, values]: [string, readonly string[] | string]): string {
  if (typeof values === 'string') return `\`${name}\`: ${values}`
  if (name === 'error_type') return '`error_type`: [error codes](errors.md)'
  return `\`${name}\`: ${values.map((value) => `\`${value}\``).join(', ')}`
}
