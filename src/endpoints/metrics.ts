import type { Registry } from 'prom-client'
import type { Handler } from '../http/handler.ts'
import { createResponse } from '../http/response.ts'

/** The endpoint `metrics`, in Prometheus's text format. */
export function createMetricsEndpoint(registry: Registry): Handler {
  return async () => createResponse(200, registry.contentType, await registry.metrics())
}
