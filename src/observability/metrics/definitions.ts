import type { WriteReason } from '../../auth/credentials/lifecycle.ts'
import { errorTable } from '../../http/errors.ts'
import { standardMethods } from '../../http/handler.ts'

/** What has to be configured for a metric to exist. */
export type Feature = 'proxy' | 'redis' | 'oidc' | 'login' | 'audit'

export type Definition = Readonly<{
  type: 'counter' | 'gauge' | 'histogram'
  /** In plain text, because Prometheus shows it too. */
  help: string
  /** The names of the labels, with all their values, or with a description of the values. */
  labels?: Readonly<Record<string, readonly string[] | string>>
  /** The upper bounds of a histogram, in seconds. */
  buckets?: readonly number[]
  needs?: Feature
  /** The metric whose numbers are repeated under this name, which the Go elastauth used. */
  repeats?: string
}>

/** From a cache hit to a timeout of Elasticsearch. */
const latency = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** From a small response to a download. */
const transfer = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200]
/** From a failed WebSocket to a day. */
const lifetime = [1, 10, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400]

/** The label of all methods that are not in `standardMethods`. */
export const otherMethod = 'other'

const writeReasons = [
  'created',
  'changed',
  'rotated',
  'extended',
  'denied',
  'revoked',
  'enabled',
  'healed',
  'rekeyed',
  'taken_over',
  'idle',
  'disabled_idle',
  'deleted',
] as const satisfies readonly (WriteReason | 'idle' | 'deleted')[]

const elasticsearchOperations = [
  'user_read',
  'user_write',
  'user_authenticate',
  'client_authenticate',
  'profile_activate',
  'ping',
]
const redisOperations = [
  'ping',
  'read',
  'compare_and_set',
  'acquire_lock',
  'release_lock',
  'taint',
  'session_read',
  'session_write',
  'attempt_read',
  'attempt_write',
]
const providerOperations = ['discovery', 'jwks', 'token', 'userinfo', 'introspection', 'revocation', 'par', 'other']
const auditSinks = ['file', 'stdout', 'elasticsearch']
const upstream = 'the origin of an upstream in the configuration, such as http://kibana:5601'

const requests = {
  type: 'counter',
  help: 'Completed requests; a tunnel is counted when it closes. Status 499: the client disconnected.',
  labels: { method: [...standardMethods, otherMethod], status: 'HTTP status' },
} as const
const duration = {
  type: 'histogram',
  help: "Time from the arrival of a request to the end of its response, or to the head of an upstream's response.",
  buckets: latency,
} as const
const active = { type: 'gauge', help: 'Requests in progress, without open tunnels.' } as const
const authentications = {
  type: 'counter',
  help: 'Requests whose user was authenticated (success) or not (failure).',
  labels: { result: ['success', 'failure'] },
} as const
const lookups = {
  type: 'counter',
  help: 'Lookups in the credential cache.',
  labels: { result: ['hit', 'miss'] },
} as const
const errors = {
  type: 'counter',
  help: 'Rejected and failed requests, by error code.',
  labels: { error_type: Object.keys(errorTable) },
} as const

/** Every metric of elastauth. Those that the Go elastauth had keep their names. docs/metrics.md is generated from them. */
export const definitions = {
  elastauth_requests_total: requests,
  elastauth_request_duration_seconds: duration,
  elastauth_active_requests: active,
  elastauth_authentication_total: authentications,
  elastauth_errors_total: errors,
  elastauth_cache_hits_total: lookups,
  elastauth_cached_users: { type: 'gauge', help: 'Users in the credential cache.' },
  elastauth_user_writes_total: {
    type: 'counter',
    help: 'Users written to Elasticsearch.',
    labels: { reason: writeReasons },
  },
  elastauth_key_conflicts_total: {
    type: 'counter',
    help: 'Requests rejected with key_conflict: the user is managed with a secret key that this installation does not know.',
  },
  elastauth_password_hash_rejections_total: {
    type: 'counter',
    help: 'Password hashes that Elasticsearch rejected.',
  },
  elastauth_elasticsearch_requests_total: {
    type: 'counter',
    help: 'Calls to Elasticsearch. rejected: Elasticsearch rejects the service account; unavailable: any other failure.',
    labels: { operation: elasticsearchOperations, result: ['ok', 'unavailable', 'rejected'] },
  },
  elastauth_elasticsearch_request_duration_seconds: {
    type: 'histogram',
    help: 'Duration of calls to Elasticsearch, with retries and the wait for a connection.',
    labels: { operation: elasticsearchOperations },
    buckets: latency,
  },
  elastauth_config_reloads_total: {
    type: 'counter',
    help: 'Reloads of the configuration (SIGHUP).',
    labels: { result: ['success', 'failure'] },
  },
  elastauth_config_last_reload_successful: {
    type: 'gauge',
    help: '1 if the last reload succeeded, or if there was none; otherwise 0.',
  },
  elastauth_config_last_reload_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When the configuration in effect was loaded, in seconds since 1970.',
  },
  elastauth_log_lines_lost_total: {
    type: 'counter',
    help: 'Log lines lost because the reader of the log was too slow.',
  },
  elastauth_build_info: {
    type: 'gauge',
    help: 'The version and the mode of elastauth. Always 1.',
    labels: { version: 'of elastauth', node_version: 'of Node.js', mode: ['auth-only', 'proxy'] },
  },

  elastauth_stream_duration_seconds: {
    type: 'histogram',
    help: "Time from the arrival of a request to the end of an upstream's response.",
    buckets: transfer,
    needs: 'proxy',
  },
  elastauth_open_tunnels: { type: 'gauge', help: 'Open WebSockets.', needs: 'proxy' },
  elastauth_tunnel_duration_seconds: {
    type: 'histogram',
    help: 'Lifetime of WebSockets, observed when they close.',
    buckets: lifetime,
    needs: 'proxy',
  },
  elastauth_upstream_up: {
    type: 'gauge',
    help: '1 if the last request or health check reached the upstream, otherwise 0.',
    labels: { upstream },
    needs: 'proxy',
  },
  elastauth_upstream_request_duration_seconds: {
    type: 'histogram',
    help: 'Time from forwarding a request to an upstream to the head of its response.',
    labels: { upstream },
    buckets: latency,
    needs: 'proxy',
  },
  elastauth_upstream_active_requests: {
    type: 'gauge',
    help: 'Requests and tunnels in progress at the upstream.',
    labels: { upstream },
    needs: 'proxy',
  },
  elastauth_upstream_connections: {
    type: 'gauge',
    help: 'Pooled connections to the upstream, without those of tunnels.',
    labels: { upstream },
    needs: 'proxy',
  },
  elastauth_proxy_requests_total: { ...requests, repeats: 'elastauth_requests_total', needs: 'proxy' },
  elastauth_proxy_request_duration_seconds: {
    ...duration,
    repeats: 'elastauth_request_duration_seconds',
    needs: 'proxy',
  },
  elastauth_proxy_active_requests: { ...active, repeats: 'elastauth_active_requests', needs: 'proxy' },
  elastauth_proxy_authentication_total: {
    ...authentications,
    repeats: 'elastauth_authentication_total',
    needs: 'proxy',
  },
  elastauth_proxy_cache_hits_total: { ...lookups, repeats: 'elastauth_cache_hits_total', needs: 'proxy' },
  elastauth_proxy_errors_total: { ...errors, repeats: 'elastauth_errors_total', needs: 'proxy' },

  elastauth_redis_requests_total: {
    type: 'counter',
    help: 'Calls to Redis. refused: Redis responded with an error.',
    labels: { operation: redisOperations, result: ['ok', 'unreachable', 'refused'] },
    needs: 'redis',
  },
  elastauth_redis_request_duration_seconds: {
    type: 'histogram',
    help: 'Duration of calls to Redis.',
    labels: { operation: redisOperations },
    buckets: latency,
    needs: 'redis',
  },

  elastauth_provider_requests_total: {
    type: 'counter',
    help: 'Calls to the identity provider. rejected: status 4xx; unavailable: status 5xx, or no response.',
    labels: { operation: providerOperations, result: ['ok', 'rejected', 'unavailable'] },
    needs: 'oidc',
  },
  elastauth_provider_request_duration_seconds: {
    type: 'histogram',
    help: 'Duration of calls to the identity provider.',
    labels: { operation: providerOperations },
    buckets: latency,
    needs: 'oidc',
  },

  elastauth_sign_ins_total: {
    type: 'counter',
    help: 'Sign-ins that a provider has sent back, or that were tried with the form. denied: the provider denied the sign-in; failure: any other failure, with the form a wrong username or password.',
    labels: { result: ['success', 'denied', 'failure'] },
    needs: 'login',
  },
  elastauth_sign_outs_total: {
    type: 'counter',
    help: 'Sessions ended by a sign-out at elastauth, on the account page, at the provider, or by an administrator.',
    labels: { by: ['user', 'provider', 'administrator'] },
    needs: 'login',
  },
  elastauth_session_refreshes_total: {
    type: 'counter',
    help: 'Refresh tokens redeemed. rejected: the provider ended the session.',
    labels: { result: ['success', 'rejected', 'failure'] },
    needs: 'login',
  },
  elastauth_sessions: {
    type: 'gauge',
    help: 'Sessions in memory, including expired ones that have not been looked up since. Missing if sessions are in Redis, where only a scan could count them.',
    needs: 'login',
  },

  elastauth_audit_events_written_total: {
    type: 'counter',
    help: 'Events of the audit log that were written.',
    labels: { sink: auditSinks },
    needs: 'audit',
  },
  elastauth_audit_events_dropped_total: {
    type: 'counter',
    help: 'Events of the audit log that were dropped because the sink was down for too long, or that the sink rejected.',
    labels: { sink: auditSinks },
    needs: 'audit',
  },
  elastauth_audit_sink_up: {
    type: 'gauge',
    help: '0 if nothing was written to the sink for 5 seconds although events wait, or its buffer is more than half full; otherwise 1.',
    labels: { sink: auditSinks },
    needs: 'audit',
  },
} as const satisfies Readonly<Record<string, Definition>>

export type MetricName = keyof typeof definitions
type NameOf<Type> = {
  [Name in MetricName]: (typeof definitions)[Name] extends { type: Type } ? Name : never
}[MetricName]
export type CounterName = NameOf<'counter'>
export type GaugeName = NameOf<'gauge'>
export type HistogramName = NameOf<'histogram'>
