import { createMetrics, type Metrics } from '../../src/observability/metrics/metrics.ts'

/** Metrics of an elastauth with all features. */
export function createFullMetrics(): Metrics {
  return createMetrics({ version: '1.2.3', features: new Set(['proxy', 'redis', 'oidc', 'login']), now: () => 5000 })
}
