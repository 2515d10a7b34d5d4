import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Definition, definitions } from '../../../src/observability/metrics/definitions.ts'
import { createMetrics, type Metrics } from '../../../src/observability/metrics/metrics.ts'
import { createFullMetrics } from '../../support/metrics.ts'

function tellAll({ requests, authentication, credentials, login, ...metrics }: Metrics): void {
  requests.requestStarted()
  requests.requestStarted()
  requests.requestEnded('GET', 200, 0.003)
  requests.streamEnded(20)
  requests.tunnelEnded(3000)
  authentication.authenticated('success')
  credentials.cacheLookedUp('hit')
  requests.failed('no_roles')
  metrics.elasticsearchCalled('user_read', 'ok', 0.2)
  metrics.redisCalled('session_read', 'refused', 0.001)
  metrics.providerCalled('token', 'rejected', 7)
  metrics.upstreamLatency('http://kibana:5601').observe(99)
  credentials.userWritten('created')
  credentials.keyConflict()
  credentials.passwordHashRejected()
  login.signedIn('denied')
  login.sessionsEnded('provider', 3)
  login.sessionRefreshed('failure')
  metrics.reloaded('failure')
  metrics.read('elastauth_cached_users', () => 17)
  metrics.read('elastauth_upstream_up', () => [
    ['http://a', 1],
    ['http://b', 0],
  ])
}

async function linesOf({ registry }: Metrics): Promise<string[]> {
  return (await registry.metrics()).split('\n')
}

describe('the metrics have a sample for each recorded event', () => {
  const samples = [
    'elastauth_requests_total{method="GET",status="200"} 1',
    'elastauth_authentication_total{result="success"} 1',
    'elastauth_cache_hits_total{result="hit"} 1',
    'elastauth_errors_total{error_type="no_roles"} 1',
    'elastauth_elasticsearch_requests_total{operation="user_read",result="ok"} 1',
    'elastauth_user_writes_total{reason="created"} 1',
    'elastauth_key_conflicts_total 1',
    'elastauth_password_hash_rejections_total 1',
    'elastauth_active_requests 1',
    'elastauth_request_duration_seconds_bucket{le="0.0025"} 0',
    'elastauth_request_duration_seconds_bucket{le="0.005"} 1',
    'elastauth_request_duration_seconds_bucket{le="+Inf"} 1',
    'elastauth_request_duration_seconds_sum 0.003',
    'elastauth_request_duration_seconds_count 1',
    'elastauth_stream_duration_seconds_bucket{le="10"} 0',
    'elastauth_stream_duration_seconds_bucket{le="30"} 1',
    'elastauth_tunnel_duration_seconds_sum 3000',
    'elastauth_elasticsearch_request_duration_seconds_sum{operation="user_read"} 0.2',
    'elastauth_redis_requests_total{operation="session_read",result="refused"} 1',
    'elastauth_redis_request_duration_seconds_count{operation="session_read"} 1',
    'elastauth_provider_requests_total{operation="token",result="rejected"} 1',
    'elastauth_provider_request_duration_seconds_count{operation="token"} 1',
    'elastauth_upstream_request_duration_seconds_bucket{upstream="http://kibana:5601",le="10"} 0',
    'elastauth_upstream_request_duration_seconds_bucket{upstream="http://kibana:5601",le="+Inf"} 1',
    'elastauth_sign_ins_total{result="denied"} 1',
    'elastauth_sign_outs_total{by="provider"} 3',
    'elastauth_session_refreshes_total{result="failure"} 1',
    'elastauth_config_reloads_total{result="failure"} 1',
    'elastauth_config_last_reload_successful 0',
    'elastauth_config_last_reload_success_timestamp_seconds 5',
    'elastauth_cached_users 17',
    'elastauth_upstream_up{upstream="http://a"} 1',
    'elastauth_upstream_up{upstream="http://b"} 0',
    `elastauth_build_info{version="1.2.3",node_version="${process.version}",mode="proxy"} 1`,
  ]
  for (const sample of samples) {
    test(`the metrics have the sample ${sample}`, async () => {
      const metrics = createFullMetrics()
      tellAll(metrics)
      assert.ok((await linesOf(metrics)).includes(sample))
    })
  }
})

test('two metrics registries count separately', async () => {
  const [told, untold] = [createFullMetrics(), createFullMetrics()]
  tellAll(told)
  assert.doesNotMatch(await untold.registry.metrics(), /^elastauth_requests_total\{/m)
})

test('a method that clients can invent is counted as other', async () => {
  const { requests, registry } = createFullMetrics()
  for (const method of ['PROPFIND', 'get', '__proto__', '']) requests.requestEnded(method, 400, 0)
  const methods = [...(await registry.metrics()).matchAll(/^elastauth_requests_total\{method="([^"]*)".* (\d+)$/gm)]
  assert.deepEqual(
    methods.map(([, method, count]) => [method, count]),
    [['other', '4']],
  )
})

test('a series begins at 0 if all values of its labels are known, so that Prometheus sees its first increase', async () => {
  const lines = await linesOf(createFullMetrics())
  for (const line of [
    'elastauth_errors_total{error_type="internal"} 0',
    'elastauth_user_writes_total{reason="taken_over"} 0',
    'elastauth_redis_requests_total{operation="taint",result="unreachable"} 0',
    'elastauth_key_conflicts_total 0',
    'elastauth_config_reloads_total{result="failure"} 0',
  ])
    assert.ok(lines.includes(line), line)
})

test('the names of the Go elastauth repeat the numbers of elastauth_ in proxy mode', async () => {
  const metrics = createFullMetrics()
  tellAll(metrics)
  const lines = await linesOf(metrics)
  const samples = lines.filter((line) => line.startsWith('elastauth_'))
  for (const name of [
    'requests_total',
    'request_duration_seconds',
    'active_requests',
    'authentication_total',
    'cache_hits_total',
    'errors_total',
  ]) {
    const own = samples.filter((line) => line.startsWith(`elastauth_${name}`))
    assert.ok(own.length > 0)
    for (const line of own) assert.ok(lines.includes(line.replace('elastauth_', 'elastauth_proxy_')), line)
  }
})

test('metrics of features that are not configured do not exist', async () => {
  const { registry } = createMetrics({ version: '1.2.3', features: new Set(), now: () => 0 })
  const names = registry.getMetricsAsArray().map(({ name }) => name)
  const expected = Object.entries<Definition>(definitions).filter(([, { needs }]) => needs === undefined)
  assert.deepEqual(
    names.filter((name) => name.startsWith('elastauth_')),
    expected.map(([name]) => name),
  )
  assert.match(await registry.metrics(), /^elastauth_build_info\{.*mode="auth-only"\} 1$/m)
})
