import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMetrics, type Metrics, noMetrics } from '../../../src/observability/metrics.ts'

function tellAll(metrics: Metrics): void {
  metrics.requestStarted()
  metrics.requestStarted()
  metrics.requestEnded('GET', 200, 0.003)
  metrics.authenticated('success')
  metrics.cacheLookedUp('hit')
  metrics.failed('no_roles')
  metrics.elasticsearchCalled('user_read', 'ok')
  metrics.userWritten('created')
  metrics.keyConflict()
  metrics.passwordHashRejected()
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
    'elastauth_request_duration_seconds_count 1',
  ]
  for (const sample of samples) {
    test(`the metrics have the sample ${sample}`, async () => {
      const metrics = createMetrics()
      tellAll(metrics)
      const lines = (await metrics.registry!.metrics()).split('\n')
      assert.ok(lines.includes(sample))
    })
  }
})

test('two metrics registries count separately', async () => {
  const [told, untold] = [createMetrics(), createMetrics()]
  tellAll(told)
  assert.doesNotMatch(await untold.registry!.metrics(), /^elastauth_requests_total\{/m)
})

test('noMetrics has all recording functions and no registry', () => {
  tellAll(noMetrics)
  assert.equal(noMetrics.registry, undefined)
  assert.deepEqual(
    Object.keys(noMetrics).sort(),
    Object.keys(createMetrics())
      .filter((name) => name !== 'registry')
      .sort(),
  )
})
