import type { Registry } from 'prom-client'
import { GatewayError } from '../http/errors.ts'
import type { Handler } from '../http/handler.ts'
import { createResponse } from '../http/response.ts'
import type { IsDirectRequest } from './direct-request.ts'

/** The endpoint `metrics`, in Prometheus's text format. */
export function createMetricsEndpoint(registry: Registry): Handler {
  return async () => ({
    ...createResponse(200, registry.contentType, await registry.metrics()),
    isProbe: true,
  })
}

/** The endpoint `metrics` on a listener that clients may reach. Throws GatewayError not_permitted for all but direct requests. */
export function createDirectMetricsEndpoint(registry: Registry, isDirectRequest: IsDirectRequest): Handler {
  const serveMetrics = createMetricsEndpoint(registry)
  return function serveDirectRequest(context) {
    if (!isDirectRequest(context.request)) throw new GatewayError('not_permitted', notDirect)
    return serveMetrics(context)
  }
}

/** The endpoint `metrics` on the other listeners if there is one for metrics. */
export function rejectMetrics(): never {
  throw new GatewayError('not_found', 'metrics are served only on metrics.listen')
}

const notDirect =
  'metrics are served here only to direct requests from loopback and private addresses, with an address or a private name as Host: ' +
  'set metrics.listen to give Prometheus a listener of its own'
