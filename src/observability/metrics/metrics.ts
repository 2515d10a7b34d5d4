import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import {
  type CounterName,
  type Definition,
  definitions,
  type Feature,
  type HistogramName,
  type MetricName,
} from './definitions.ts'
import { createFamilies, type Families } from './families.ts'
import { createRequestMetrics, type RequestMetrics } from './request-metrics.ts'
import type { Durations, Sample } from './series.ts'

export type { RequestMetrics } from './request-metrics.ts'

export type AuthenticationMetrics = Readonly<{ authenticated: (result: 'success' | 'failure') => void }>

/** What happens to users and their credentials. */
export type CredentialMetrics = Readonly<{
  cacheLookedUp: (result: 'hit' | 'miss') => void
  userWritten: (reason: string) => void
  keyConflict: () => void
  passwordHashRejected: () => void
}>

export type LoginMetrics = Readonly<{
  signedIn: (result: 'success' | 'denied' | 'failure') => void
  sessionsEnded: (by: 'user' | 'provider' | 'administrator', count: number) => void
  sessionRefreshed: (result: 'success' | 'rejected' | 'failure') => void
}>

/** Counts a call to another service. @param seconds its duration */
export type CountCall = (operation: string, result: string, seconds: number) => void

/** What is counted, divided by the part that reports it. */
export type Metrics = Pick<Families, 'read'> &
  Readonly<{
    requests: RequestMetrics
    authentication: AuthenticationMetrics
    credentials: CredentialMetrics
    elasticsearchCalled: CountCall
    redisCalled: CountCall
    providerCalled: CountCall
    /** The times from forwarding a request to an upstream to the head of the response. */
    upstreamLatency: (upstream: string) => Durations
    login: LoginMetrics
    reloaded: (result: 'success' | 'failure') => void
    /** What `/elastauth/metrics` serves. */
    registry: Registry
  }>

export type MetricsOptions = Readonly<{
  version: string
  /** Metrics of other features do not exist. */
  features: ReadonlySet<Feature>
  /** Milliseconds since 1970. */
  now: () => number
}>

/** Creates all metrics. Only this file needs prom-client, so it is loaded only if metrics are enabled. */
export function createMetrics({ version, features, now }: MetricsOptions): Metrics {
  const families = createFamilies()
  const upstreams = families.histogram('elastauth_upstream_request_duration_seconds')
  const mode = features.has('proxy') ? 'proxy' : 'auth-only'
  families.read('elastauth_build_info', () => [[version, process.version, mode, 1]])
  return Object.freeze<Metrics>({
    requests: createRequestMetrics(families),
    authentication: createAuthenticationMetrics(families),
    credentials: createCredentialMetrics(families),
    elasticsearchCalled: countCalls(
      families,
      'elastauth_elasticsearch_requests_total',
      'elastauth_elasticsearch_request_duration_seconds',
    ),
    redisCalled: countCalls(families, 'elastauth_redis_requests_total', 'elastauth_redis_request_duration_seconds'),
    providerCalled: countCalls(
      families,
      'elastauth_provider_requests_total',
      'elastauth_provider_request_duration_seconds',
    ),
    upstreamLatency: (origin) => upstreams.of(origin),
    login: createLoginMetrics(families),
    reloaded: createReloaded(families, now),
    read: families.read,
    registry: createRegistry(families, features),
  })
}

function createAuthenticationMetrics({ counter }: Families): AuthenticationMetrics {
  const authentications = counter('elastauth_authentication_total')
  const [success, failure] = [authentications.of('success'), authentications.of('failure')]
  return Object.freeze<AuthenticationMetrics>({
    authenticated: (result) => void (result === 'success' ? success : failure).value++,
  })
}

function createCredentialMetrics({ counter }: Families): CredentialMetrics {
  const lookups = counter('elastauth_cache_hits_total')
  const [hit, miss] = [lookups.of('hit'), lookups.of('miss')]
  const writes = counter('elastauth_user_writes_total')
  const keyConflicts = counter('elastauth_key_conflicts_total').of()
  const hashRejections = counter('elastauth_password_hash_rejections_total').of()
  return Object.freeze<CredentialMetrics>({
    cacheLookedUp: (result) => void (result === 'hit' ? hit : miss).value++,
    userWritten: (reason) => void writes.of(reason).value++,
    keyConflict: () => void keyConflicts.value++,
    passwordHashRejected: () => void hashRejections.value++,
  })
}

function countCalls({ counter, histogram }: Families, total: CounterName, duration: HistogramName): CountCall {
  const [calls, durations] = [counter(total), histogram(duration)]
  return function countCall(operation, result, seconds) {
    calls.of(operation, result).value++
    durations.of(operation).observe(seconds)
  }
}

function createLoginMetrics({ counter }: Families): LoginMetrics {
  const signIns = counter('elastauth_sign_ins_total')
  const signOuts = counter('elastauth_sign_outs_total')
  const refreshes = counter('elastauth_session_refreshes_total')
  return Object.freeze<LoginMetrics>({
    signedIn: (result) => void signIns.of(result).value++,
    sessionsEnded(by, count) {
      signOuts.of(by).value += count
    },
    sessionRefreshed: (result) => void refreshes.of(result).value++,
  })
}

function createReloaded({ counter, read }: Families, now: () => number): Metrics['reloaded'] {
  const reloads = counter('elastauth_config_reloads_total')
  let loadedAtMs = now()
  let hasSucceeded = true
  read('elastauth_config_last_reload_success_timestamp_seconds', () => loadedAtMs / 1000)
  read('elastauth_config_last_reload_successful', () => Number(hasSucceeded))
  return function reloaded(result) {
    reloads.of(result).value++
    hasSucceeded = result === 'success'
    if (hasSucceeded) loadedAtMs = now()
  }
}

function createRegistry({ samplesOf }: Families, features: ReadonlySet<Feature>): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const [name, definition] of Object.entries<Definition>(definitions)) {
    const { needs, repeats } = definition
    if (needs !== undefined && !features.has(needs)) continue
    registry.registerMetric(toMetric(name, definition, () => samplesOf((repeats ?? name) as MetricName, name)))
  }
  return registry
}

/** prom-client formats any object that has a `get` function like that of its own metrics. */
function toMetric(name: string, { type, help, labels = {} }: Definition, samples: () => Sample[]): Metric {
  const metric = {
    name,
    labelNames: Object.keys(labels),
    get: async () => ({ name, help, type, values: samples() }),
  }
  return metric as unknown as Metric
}
