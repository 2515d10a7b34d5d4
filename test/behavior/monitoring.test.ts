import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../support/gateway.ts'
import { alertingRules, dashboardQueries, groupingLabelsIn, rulesFile, selectorsIn } from '../support/monitoring.ts'
import { startOidcProvider } from '../support/oidc/provider.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { findFreePort } from '../support/port.ts'
import { runPromtool, skipWithoutPrometheus, startPrometheus } from '../support/prometheus.ts'
import type { RawConnection } from '../support/raw-http.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { startUpstream } from '../support/upstream.ts'
import { eventually } from '../support/wait.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const skip = skipWithoutPrometheus() || skipWithoutRedis()

/** What these panels show does not happen while everything works. */
const zeroPanels = new Set(['Failed requests, A', 'Key conflicts, A', 'Lost log lines, A', 'Audit events, B'])

/** Their values depend on how busy the machine is. */
const speedAlerts = new Set(['ElastauthSlow', 'ElastauthEventLoopSaturated'])

describe('the alerting rules and the dashboard in deploy/monitoring, with a real Prometheus', { skip }, async () => {
  if (skip) return
  const redis = await startRedis()
  after(() => redis.stop())
  const idp = await startOidcProvider({ lifetimes: { accessToken: 2 } })
  after(() => idp.stop())
  const upstream = await startUpstream((_, response) => response.end('app'))
  upstream.server.on('upgrade', (_, socket) => {
    socket.on('error', () => {}).on('end', () => socket.end())
    socket.resume().write(switchingProtocols)
  })
  const fixture = await createFixture()
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-monitoring-'))
  after(() => rmSync(directory, { recursive: true }))
  const authOnly = await fixture.start({
    flags: {
      ...{ enable_metrics: 'true', 'cache.type': 'redis', 'cache.redis_host': redis.address },
      'audit.path': join(directory, 'audit.json'),
    },
  })
  const proxy = await startProxyWithLogin()
  const prometheus = await startPrometheus([authOnly.url, proxy.url], rulesFile)
  after(() => prometheus.stop())
  const returningAgent = createUserAgent()
  let webSocket: RawConnection | undefined
  let nextUser = 0

  async function startProxyWithLogin(): Promise<Gateway> {
    const listen = `127.0.0.1:${await findFreePort()}`
    idp.register(`http://${listen}`)
    return fixture.start({
      flags: {
        listen,
        enable_metrics: 'true',
        auth_providers: 'authelia,oidc',
        'oidc.issuer': idp.issuer,
        'oidc.client_id': idp.clientId,
        'proxy.enabled': 'true',
        'proxy.elasticsearch_url': upstream.url,
      },
      env: { ELASTAUTH_OIDC_CLIENT_SECRET: idp.clientSecret },
    })
  }

  /**
   * Auth-only mode: a new user, a cached user, and a request without an identity. Proxy mode: a sign-in and a sign-out, a session whose
   * tokens are refreshed, a WebSocket that stays open, and the end of the one before. Both reload their configuration.
   */
  async function sendTraffic(): Promise<void> {
    for (const username of [`user-${nextUser++}`, 'bob']) await sendSubRequest(authOnly.url, username)
    await fetch(authOnly.url)
    const agent = createUserAgent()
    await agent.visit(`${proxy.url}/app`, 'alice')
    await agent.request(`${proxy.url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    await returningAgent.visit(`${proxy.url}/app`, 'alice')
    webSocket?.socket.destroy()
    webSocket = requestWebSocket(proxy, '/ws')
    await webSocket.until(/^HTTP\/1.1 101 /)
    for (const gateway of [authOnly, proxy]) gateway.process.kill('SIGHUP')
  }

  /** Sends traffic until this finds no more faults: a rate needs two scrapes. */
  async function untilNoneMissing(find: () => Promise<readonly string[]>): Promise<void> {
    const deadline = Date.now() + 120_000
    const missing = await eventually(
      async () => {
        await sendTraffic()
        await sleep(200)
        return find()
      },
      (found) => found.length === 0 || Date.now() > deadline,
    )
    assert.deepEqual(missing, [])
  }

  test("promtool finds no fault in the names and help texts of elastauth's metrics", async () => {
    await sendTraffic()
    for (const { url } of [authOnly, proxy]) {
      const { output } = runPromtool(['check', 'metrics'], await (await fetch(`${url}/elastauth/metrics`)).text())
      // prom-client names a few metrics of Node against the conventions
      assert.deepEqual(
        output.split('\n').filter((line) => line !== '' && !line.startsWith('nodejs_')),
        [],
      )
    }
  })

  test('every rule and every query of the dashboard names only metrics and labels that a running elastauth has', async () => {
    const expressions = [
      ...alertingRules.map(({ alert, expr }) => ({ title: alert, expression: expr })),
      ...dashboardQueries,
    ]
    const named = expressions.flatMap(({ title, expression }) => {
      const selectors = selectorsIn(expression)
      assert.ok(selectors.length > 0, title)
      const labels = groupingLabelsIn(expression).filter((label) => label !== 'job')
      return [
        ...selectors.flatMap(({ name, labels }) =>
          ['job', ...labels].map((label) => `${title}: ${name}{${label}!=""}`),
        ),
        // a label to group by is one of the metrics'
        ...labels.map((label) => `${title}: ${selectors.map(({ name }) => `${name}{${label}!=""}`).join(' or ')}`),
      ]
    })
    await untilNoneMissing(() => withoutSeries(named, (text) => text.slice(text.indexOf(': ') + 2)))
  })

  test('every query of the dashboard returns series that show the traffic and have the labels of the legend', async () => {
    await untilNoneMissing(async () => {
      const missing: string[] = []
      for (const { title, expression, legendLabels } of dashboardQueries) {
        const series = await prometheus.query(expression)
        const hasLabels = series.every(({ metric }) => legendLabels.every((label) => label in metric))
        const hasValue = series.some(({ value }) => value > 0 || (value === 0 && zeroPanels.has(title)))
        if (!hasLabels || !hasValue) missing.push(title)
      }
      return missing
    })
  })

  test('no alert is active while everything works, and Prometheus can evaluate all of them', async () => {
    await untilNoneMissing(async () =>
      (await prometheus.alerts())
        .filter(({ name, state }) => state !== 'inactive' && !speedAlerts.has(name))
        .map(({ name }) => name),
    )
    const alerts = await prometheus.alerts()
    assert.deepEqual(
      alerts.map(({ name }) => name),
      alertingRules.map(({ alert }) => alert),
    )
    assert.deepEqual(
      alerts.filter(({ error }) => error !== ''),
      [],
    )
  })

  async function withoutSeries(named: readonly string[], toQuery: (text: string) => string): Promise<string[]> {
    const missing: string[] = []
    for (const text of new Set(named)) if ((await prometheus.query(toQuery(text))).length === 0) missing.push(text)
    return missing
  }
})
