import type { Registry } from 'prom-client'
import type { Handler } from '../server.ts'

/** `metrics`, in Prometheus' text format. */
export function createMetricsPage(registry: Registry): Handler {
  return async function sendMetrics(_request, response) {
    const body = await registry.metrics()
    response.writeHead(200, { 'Content-Type': registry.contentType, 'Content-Length': Buffer.byteLength(body) })
    response.end(body)
    return undefined
  }
}
