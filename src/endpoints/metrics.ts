import type { Registry } from 'prom-client'
import { answerWith } from '../answer.ts'
import type { Handler } from '../route.ts'

/** `metrics`, in Prometheus' text format. */
export function createMetricsPage(registry: Registry): Handler {
  return async () => answerWith(200, registry.contentType, await registry.metrics())
}
