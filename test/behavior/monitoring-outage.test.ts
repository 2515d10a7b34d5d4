import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { rulesFile } from '../support/monitoring.ts'
import { findFreePort } from '../support/port.ts'
import { skipWithoutPrometheus, startPrometheus } from '../support/prometheus.ts'
import { eventually } from '../support/wait.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

test('while Elasticsearch, Redis, the provider and an upstream are down, the alert about each of them is active', {
  skip: skipWithoutPrometheus(),
}, async () => {
  const nobodyListensOn = async () => `127.0.0.1:${await findFreePort()}`
  const { elasticsearch, start } = await createFixture()
  elasticsearch.faults.response = 'unavailable'
  const redis = { 'cache.type': 'redis', 'cache.redis_host': await nobodyListensOn() }
  const authOnly = await start({ flags: { enable_metrics: 'true', ...redis } })
  const proxy = await start({
    flags: {
      enable_metrics: 'true',
      'elasticsearch.dry_run': 'true', // so that requests reach the upstream
      auth_providers: 'authelia,oidc',
      'oidc.issuer': `http://${await nobodyListensOn()}`,
      'oidc.client_id': 'elastauth',
      'proxy.enabled': 'true',
      'proxy.elasticsearch_url': `http://${await nobodyListensOn()}`,
    },
    env: { ELASTAUTH_OIDC_CLIENT_SECRET: 'not a secret' },
  })
  const prometheus = await startPrometheus([authOnly.url, proxy.url], rulesFile)
  after(() => prometheus.stop())

  const expected = [
    'ElastauthErrors',
    'ElastauthCannotReachElasticsearch',
    'ElastauthRedisFailing',
    'ElastauthCannotReachProvider',
    'ElastauthCannotReachUpstream',
  ]
  const deadline = Date.now() + 120_000
  const active = await eventually(
    async () => {
      await sendSubRequest(authOnly.url, 'bob')
      await sendSubRequest(proxy.url, 'bob')
      await fetch(`${proxy.url}/elastauth/ready`) // asks the provider
      await sleep(200)
      const alerts = await prometheus.alerts()
      return alerts.filter(({ state }) => state !== 'inactive').map(({ name }) => name)
    },
    (names) => expected.every((name) => names.includes(name)) || Date.now() > deadline,
  )
  for (const name of expected) assert.ok(active.includes(name), `${name} is not active`)
})
