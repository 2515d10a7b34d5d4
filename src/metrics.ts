import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Request durations in seconds: from a cached hit to an Elasticsearch that hangs. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export type Metrics = ReturnType<typeof createMetrics>

/** Everything that is counted, under the predecessor's names where it had one. `docs/metrics.md` describes each. */
export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const counter = <const Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name, help, labelNames: [...labelNames], registers })

  return Object.freeze({
    registry,
    requests: counter('elastauth_requests_total', 'Requests answered, by method and status.', ['method', 'status']),
    duration: new Histogram({
      name: 'elastauth_request_duration_seconds',
      help: 'Time from a request’s arrival to our answer.',
      buckets,
      registers,
    }),
    active: new Gauge({ name: 'elastauth_active_requests', help: 'Requests being answered.', registers }),
    authentications: counter('elastauth_authentication_total', 'Authentications, by result.', ['result']),
    cacheHits: counter('elastauth_cache_hits_total', 'Look-ups of a credential in the cache, by result.', ['result']),
    errors: counter('elastauth_errors_total', 'Requests refused or failed, by error code.', ['error_type']),
    elasticsearch: counter(
      'elastauth_elasticsearch_requests_total',
      'Calls to Elasticsearch, by operation and result.',
      ['operation', 'result'],
    ),
    userWrites: counter('elastauth_user_writes_total', 'Users written to Elasticsearch, by reason.', ['reason']),
  })
}
