import { setTimeout as sleep } from 'node:timers/promises'
import { createMetrics, type Metrics } from '../../src/observability/metrics/metrics.ts'

/** Metrics of an elastauth with all features. */
export function createFullMetrics(): Metrics {
  return createMetrics({
    version: '1.2.3',
    features: new Set(['proxy', 'redis', 'oidc', 'login', 'audit']),
    now: () => 5000,
  })
}

/** Reads the metrics of a gateway. @returns the value of a sample, such as `elastauth_cached_users`; `undefined` if it is missing */
export async function scrape(url: string): Promise<(sample: string) => number | undefined> {
  const text = await (await fetch(`${url}/elastauth/metrics`)).text()
  const samples = new Map(
    text.split('\n').map((line) => [line.replace(/ [^ ]*$/, ''), Number(line.split(' ').at(-1))] as const),
  )
  return (sample) => samples.get(sample)
}

/** Resolves when a sample has a value. */
export async function untilSample(url: string, sample: string, value: number): Promise<void> {
  while ((await scrape(url))(sample) !== value) await sleep(20)
}
