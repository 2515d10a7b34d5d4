import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What the parts of elastauth tell of themselves. */
export type Metrics = Readonly<{
  requestStarted: () => void
  /** @param seconds from the request's arrival to our answer */
  requestEnded: (method: string, status: number, seconds: number) => void
  authenticated: (result: 'success' | 'failure') => void
  cacheLookedUp: (result: 'hit' | 'miss') => void
  failed: (errorCode: string) => void
  elasticsearchCalled: (operation: string, result: string) => void
  redisCalled: (operation: string, result: string) => void
  userWritten: (reason: string) => void
  keyConflict: () => void
  passwordHashRejected: () => void
  /** For the page; absent when nothing is counted. */
  registry?: Registry
}>

const nothing = () => {}

/** Nothing is counted when nobody can read it. */
export const noMetrics: Metrics = Object.freeze({
  requestStarted: nothing,
  requestEnded: nothing,
  authenticated: nothing,
  cacheLookedUp: nothing,
  failed: nothing,
  elasticsearchCalled: nothing,
  redisCalled: nothing,
  userWritten: nothing,
  keyConflict: nothing,
  passwordHashRejected: nothing,
})

/** In seconds: from a cached hit to an Elasticsearch that hangs. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Prometheus metrics, under the predecessor's names where it had one. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name: `elastauth_${name}_total`, help, labelNames, registers })

  const requests = counter('requests', 'Requests answered, by method and status.', 'method', 'status')
  const authentications = counter('authentication', 'Authentications, by result.', 'result')
  const lookUps = counter('cache_hits', 'Look-ups of a credential in the cache, by result.', 'result')
  const errors = counter('errors', 'Requests refused or failed, by error code.', 'error_type')
  const calls = counter('elasticsearch_requests', 'Calls to Elasticsearch.', 'operation', 'result')
  const redisCalls = counter('redis_requests', 'Calls to Redis.', 'operation', 'result')
  const writes = counter('user_writes', 'Users written to Elasticsearch, by reason.', 'reason')
  const keyConflicts = counter(
    'key_conflicts',
    'Users that were rejected because they are under an unknown secret key.',
  )
  const hashRejections = counter('password_hash_rejections', 'Password hashes that Elasticsearch rejected.')
  const active = new Gauge({ name: 'elastauth_active_requests', help: 'Requests being answered.', registers })
  const duration = new Histogram({
    name: 'elastauth_request_duration_seconds',
    help: 'Time from a request’s arrival to our answer.',
    buckets,
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
    cacheLookedUp: (result: string) => lookUps.inc({ result }),
    failed: (errorCode: string) => errors.inc({ error_type: errorCode }),
    elasticsearchCalled: (operation: string, result: string) => calls.inc({ operation, result }),
    redisCalled: (operation: string, result: string) => redisCalls.inc({ operation, result }),
    userWritten: (reason: string) => writes.inc({ reason }),
    keyConflict: () => keyConflicts.inc(),
    passwordHashRejected: () => hashRejections.inc(),
    registry,
  })
}
