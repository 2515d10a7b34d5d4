import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import type { ErrorCode } from '../../http/errors.ts'
import {
  type CounterName,
  type Definition,
  definitions,
  type Feature,
  type GaugeName,
  type HistogramName,
  type MetricName,
  methods,
  otherMethod,
} from './definitions.ts'
import { Count, createFamily, Durations, type Family, type Sample } from './series.ts'

/** What the server reports. */
export type RequestMetrics = Readonly<{
  requestStarted: () => void
  /** @param seconds from the arrival of the request to the end of its response, or to the head of an upstream's */
  requestEnded: (method: string, status: number, seconds: number) => void
  /** @param seconds from the arrival of the request to the end of an upstream's response */
  streamEnded: (seconds: number) => void
  /** @param seconds from the upgrade to the end of the tunnel */
  tunnelEnded: (seconds: number) => void
  failed: (errorCode: ErrorCode) => void
}>

export type AuthenticationMetrics = Readonly<{ authenticated: (result: 'success' | 'failure') => void }>

/** What happens to users and their credentials. */
export type CredentialMetrics = Readonly<{
  cacheLookedUp: (result: 'hit' | 'miss') => void
  userWritten: (reason: string) => void
  keyConflict: () => void
  passwordHashRejected: () => void
}>

/** A call to another service. @param seconds its duration */
export type CountCall = (operation: string, result: string, seconds: number) => void

export type LoginMetrics = Readonly<{
  signedIn: (result: 'success' | 'denied' | 'failure') => void
  sessionsEnded: (by: 'user' | 'provider', count: number) => void
  sessionRefreshed: (result: 'success' | 'rejected' | 'failure') => void
}>

/** The value of a gauge without labels, or a value for each combination of label values. */
type Reading = number | readonly (readonly [...labels: string[], value: number])[]

export type Metrics = Readonly<{
  requests: RequestMetrics
  authentication: AuthenticationMetrics
  credentials: CredentialMetrics
  elasticsearchCalled: CountCall
  redisCalled: CountCall
  providerCalled: CountCall
  login: LoginMetrics
  reloaded: (result: 'success' | 'failure') => void
  /** The time from forwarding a request to an upstream to the head of the response. */
  upstreamLatency: (upstream: string) => Durations
  /** Adds values that are read when they are scraped, so that nothing has to report them. */
  read: (name: GaugeName | CounterName, read: () => Reading) => void
  /** What `/elastauth/metrics` serves. */
  registry: Registry
}>

export type MetricsOptions = Readonly<{
  version: string
  /** Metrics of features that are not configured do not exist. */
  features: ReadonlySet<Feature>
  /** Milliseconds since 1970. */
  now: () => number
}>

/** Creates all metrics. Only this file needs prom-client, so it is loaded only if metrics are enabled. */
export function createMetrics({ version, features, now }: MetricsOptions): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const sampled = new Map<MetricName, (name: string) => Sample[]>()

  function counter(name: CounterName): Family<Count> {
    const family = createFamily<Count>(
      definitions[name],
      () => new Count(),
      ({ value }, _name, labels) => [{ labels, value }],
    )
    sampled.set(name, family.samples)
    return family
  }

  function histogram(name: HistogramName): Family<Durations> {
    const { buckets } = definitions[name]
    const family = createFamily<Durations>(
      definitions[name],
      () => new Durations(buckets),
      (durations, shownName, labels) => durations.samples(shownName, labels),
    )
    sampled.set(name, family.samples)
    return family
  }

  function read(name: GaugeName | CounterName, readNow: () => Reading): void {
    const { labels = {} }: Definition = definitions[name]
    sampled.set(name, () => toSamples(Object.keys(labels), readNow()))
  }

  function countCalls(total: CounterName, duration: HistogramName): CountCall {
    const [calls, durations] = [counter(total), histogram(duration)]
    return function countCall(operation, result, seconds) {
      calls.of(operation, result).value++
      durations.of(operation).observe(seconds)
    }
  }

  function createRequestMetrics(): RequestMetrics {
    const requests = counter('elastauth_requests_total')
    const byMethodAndStatus = [...methods, otherMethod].map((): Count[] => [])
    const duration = histogram('elastauth_request_duration_seconds').of()
    const streams = histogram('elastauth_stream_duration_seconds').of()
    const tunnels = histogram('elastauth_tunnel_duration_seconds').of()
    const errors = counter('elastauth_errors_total')
    let started = 0
    let ended = 0
    read('elastauth_open_tunnels', () => 0)
    read('elastauth_active_requests', () => {
      const [openTunnels] = sampled.get('elastauth_open_tunnels')!('')
      return started - ended - openTunnels!.value
    })

    /** Creates a series at its first use: most methods and statuses never occur. */
    function addSeries(method: string, status: number, counts: Count[]): Count {
      const count = requests.of(isKnown(method) ? method : otherMethod, String(status))
      counts[status] = count
      return count
    }

    return Object.freeze({
      requestStarted() {
        started++
      },
      requestEnded(method: string, status: number, seconds: number) {
        ended++
        const counts = byMethodAndStatus[indexOf(method)]!
        const count = counts[status] ?? addSeries(method, status, counts)
        count.value++
        duration.observe(seconds)
      },
      streamEnded: (seconds: number) => streams.observe(seconds),
      tunnelEnded: (seconds: number) => tunnels.observe(seconds),
      failed(errorCode: ErrorCode) {
        errors.of(errorCode).value++
      },
    })
  }

  function createAuthenticationMetrics(): AuthenticationMetrics {
    const authentications = counter('elastauth_authentication_total')
    const [success, failure] = [authentications.of('success'), authentications.of('failure')]
    return Object.freeze({
      authenticated(result: 'success' | 'failure') {
        if (result === 'success') success.value++
        else failure.value++
      },
    })
  }

  function createCredentialMetrics(): CredentialMetrics {
    const lookups = counter('elastauth_cache_hits_total')
    const [hit, miss] = [lookups.of('hit'), lookups.of('miss')]
    const writes = counter('elastauth_user_writes_total')
    const keyConflicts = counter('elastauth_key_conflicts_total').of()
    const hashRejections = counter('elastauth_password_hash_rejections_total').of()
    return Object.freeze({
      cacheLookedUp(result: 'hit' | 'miss') {
        if (result === 'hit') hit.value++
        else miss.value++
      },
      userWritten: (reason: string) => void writes.of(reason).value++,
      keyConflict: () => void keyConflicts.value++,
      passwordHashRejected: () => void hashRejections.value++,
    })
  }

  function createLoginMetrics(): LoginMetrics {
    const signIns = counter('elastauth_sign_ins_total')
    const signOuts = counter('elastauth_sign_outs_total')
    const refreshes = counter('elastauth_session_refreshes_total')
    return Object.freeze({
      signedIn: (result: string) => void signIns.of(result).value++,
      sessionsEnded(by: string, count: number) {
        signOuts.of(by).value += count
      },
      sessionRefreshed: (result: string) => void refreshes.of(result).value++,
    })
  }

  function createReloaded(): Metrics['reloaded'] {
    const reloads = counter('elastauth_config_reloads_total')
    let loadedAtMs = now()
    read('elastauth_config_last_reload_success_timestamp_seconds', () => loadedAtMs / 1000)
    return function reloaded(result) {
      reloads.of(result).value++
      if (result === 'success') loadedAtMs = now()
    }
  }

  const upstreams = histogram('elastauth_upstream_request_duration_seconds')
  const metrics = Object.freeze<Metrics>({
    requests: createRequestMetrics(),
    authentication: createAuthenticationMetrics(),
    credentials: createCredentialMetrics(),
    elasticsearchCalled: countCalls(
      'elastauth_elasticsearch_requests_total',
      'elastauth_elasticsearch_request_duration_seconds',
    ),
    redisCalled: countCalls('elastauth_redis_requests_total', 'elastauth_redis_request_duration_seconds'),
    providerCalled: countCalls('elastauth_provider_requests_total', 'elastauth_provider_request_duration_seconds'),
    login: createLoginMetrics(),
    reloaded: createReloaded(),
    upstreamLatency: (origin: string) => upstreams.of(origin),
    read,
    registry,
  })
  const mode = features.has('proxy') ? 'proxy' : 'auth-only'
  read('elastauth_build_info', () => [[version, process.version, mode, 1]])
  for (const [name, definition] of Object.entries<Definition>(definitions)) {
    if (definition.needs !== undefined && !features.has(definition.needs)) continue
    const source = (definition.repeats ?? name) as MetricName
    register(registry, name, definition, () => sampled.get(source)?.(name) ?? [])
  }
  return metrics
}

const isKnown = (method: string) => methods.includes(method as (typeof methods)[number])

/** The index of a method in `methods`, or that of `otherMethod` behind them. */
function indexOf(method: string): number {
  const index = methods.indexOf(method as (typeof methods)[number])
  return index === -1 ? methods.length : index
}

function toSamples(labelNames: readonly string[], reading: Reading): Sample[] {
  if (typeof reading === 'number') return [{ labels: {}, value: reading }]
  return reading.map((row) => ({
    labels: Object.fromEntries(labelNames.map((name, i) => [name, row[i]!])),
    value: row.at(-1) as number,
  }))
}

/** prom-client formats any object that has a `get` function like that of its own metrics. */
function register(
  registry: Registry,
  name: string,
  { type, help, labels = {} }: Definition,
  samples: () => Sample[],
): void {
  const metric = {
    name,
    labelNames: Object.keys(labels),
    get: async () => ({ name, help, type, aggregator: 'sum', values: samples() }),
  }
  registry.registerMetric(metric as unknown as Metric)
}
