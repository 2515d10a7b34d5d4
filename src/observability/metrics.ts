import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Events that are counted. */
export type Metrics = Readonly<{
  requestStarted: () => void
  /** @param seconds from the arrival of the request to the end of its response */
  requestEnded: (method: string, status: number, seconds: number) => void
  authenticated: (result: 'success' | 'failure') => void
  cacheLookedUp: (result: 'hit' | 'miss') => void
  failed: (errorCode: string) => void
  elasticsearchCalled: (operation: string, result: string) => void
  redisCalled: (operation: string, result: string) => void
  userWritten: (reason: string) => void
  keyConflict: () => void
  passwordHashRejected: () => void
  /** The metrics that `/elastauth/metrics` serves; undefined if metrics are disabled. */
  registry?: Registry
}>

const ignore = () => {}

/** Used if metrics are disabled. */
export const noMetrics: Metrics = Object.freeze({
  requestStarted: ignore,
  requestEnded: ignore,
  authenticated: ignore,
  cacheLookedUp: ignore,
  failed: ignore,
  elasticsearchCalled: ignore,
  redisCalled: ignore,
  userWritten: ignore,
  keyConflict: ignore,
  passwordHashRejected: ignore,
})

/** Bounds of the histogram in seconds, from the duration of a cache hit to that of a timeout of Elasticsearch. */
const durationBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Creates the Prometheus metrics. Those that the Go elastauth already had keep their names. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name: `elastauth_${name}_total`, help, labelNames, registers })

  const requests = counter('requests', 'Completed requests, by method and status.', 'method', 'status')
  const authentications = counter('authentication', 'Authentications, by result.', 'result')
  const lookups = counter('cache_hits', 'Lookups in the credential cache, by result.', 'result')
  const errors = counter('errors', 'Rejected and failed requests, by error code.', 'error_type')
  const calls = counter(
    'elasticsearch_requests',
    'Calls to Elasticsearch, by operation and result.',
    'operation',
    'result',
  )
  const redisCalls = counter('redis_requests', 'Calls to Redis, by operation and result.', 'operation', 'result')
  const writes = counter('user_writes', 'Users written to Elasticsearch, by reason.', 'reason')
  const keyConflicts = counter(
    'key_conflicts',
    'Requests rejected because the user is managed with an unknown secret key.',
  )
  const hashRejections = counter('password_hash_rejections', 'Password hashes that Elasticsearch rejected.')
  const active = new Gauge({ name: 'elastauth_active_requests', help: 'Requests in progress.', registers })
  const duration = new Histogram({
    name: 'elastauth_request_duration_seconds',
    help: 'Time from the arrival of a request to the end of its response.',
    buckets: durationBuckets,
    registers,
  })

  return Object.freeze({
    requestStarted: () => active.inc(),
    requestEnded(method: string, status: number, seconds: number) {
      active.dec()
      requests.inc({ method, status })
      duration.observe(seconds)
    },
    authenticated: (result: string) => authentications.inc({ result }),
    cacheLookedUp: (result: string) => lookups.inc({ result }),
    failed: (errorCode: string) => errors.inc({ error_type: errorCode }),
    elasticsearchCalled: (operation: string, result: string) => calls.inc({ operation, result }),
    redisCalled: (operation: string, result: string) => redisCalls.inc({ operation, result }),
    userWritten: (reason: string) => writes.inc({ reason }),
    keyConflict: () => keyConflicts.inc(),
    passwordHashRejected: () => hashRejections.inc(),
    registry,
  })
}
