import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Gateway, metricsUrlOf, subRequestUrlOf } from '../support/gateway.ts'
import { exchange } from '../support/raw-http.ts'
import { authority, tlsFlags } from '../support/tls-files.ts'
import { startProxy, startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

const isMetrics = (body: string) => body.includes('elastauth_requests_total')

/** The status of a request with exactly this head, and whether the response contains metrics. */
async function scrapeRaw(url: string, head: readonly string[]): Promise<string> {
  const { status, body } = await exchange(url, head)
  return `${status}${isMetrics(body) ? ' metrics' : ''}`
}

describe('without metrics.listen, the other listeners serve the metrics to direct requests', async () => {
  const gateway = await start({ flags: { enable_metrics: 'true' } })
  const { url } = gateway
  const get = (...headers: string[]) => scrapeRaw(url, ['GET /elastauth/metrics HTTP/1.1', ...headers])

  test('a direct request from this machine gets the metrics', async () => {
    for (const host of [new URL(url).host, 'localhost', 'elastauth:5000', '10.0.0.5'])
      assert.equal(await get(`Host: ${host}`), '200 metrics', host)
  })

  for (const header of ['Forwarded: for=1', 'Via: 1.1 proxy', 'X-Real-IP: 127.0.0.1', 'x-fOrwarded-For: 127.0.0.1'])
    test(`a request with ${header.split(':')[0]} gets 403 instead of the metrics`, async () => {
      assert.equal(await get('Host: localhost', header), '403')
    })

  test('a request with HTTP/1.0, as nginx before 1.29.7 forwards it by default, gets 403 instead of the metrics', async () => {
    assert.equal(await scrapeRaw(url, ['GET /elastauth/metrics HTTP/1.0', 'Host: localhost']), '403')
  })

  test('a request with a public name or address as Host, as by DNS rebinding or through HAProxy without headers, gets 403 instead of the metrics', async () => {
    for (const host of [`evil.test:${new URL(url).port}`, 'logs.example.com', '203.0.113.7'])
      assert.equal(await get(`Host: ${host}`), '403', host)
  })

  test('the log line about rejected metrics says to set metrics.listen', async () => {
    await get('Host: localhost', 'Via: 1.1 proxy', 'User-Agent: rejected')
    const { message } = await gateway.logged(({ message = '' }) => message.startsWith('GET /elastauth/metrics 403'))
    assert.match(message!, /set metrics\.listen to give Prometheus a listener of its own$/)
  })

  test('a scrape is logged at level debug only', async () => {
    assert.equal(await get('Host: localhost'), '200 metrics')
    assert.equal(await scrapeRaw(url, ['GET /elastauth/none HTTP/1.1', 'Host: localhost']), '404')
    await gateway.logged(({ message = '' }) => message.startsWith('GET /elastauth/none 404'))
    const scrapes = gateway.log.filter(({ message = '' }) => message === 'GET /elastauth/metrics 200')
    assert.deepEqual(scrapes, [])
  })

  test('/metrics is not an endpoint of the other listeners', async () => {
    assert.equal(await scrapeRaw(url, ['GET /metrics HTTP/1.1', 'Host: localhost']), '404')
  })

  test('a request that a proxy may have forwarded sees whether elastauth is ready, and not the state of its components', async () => {
    const body = async (...headers: string[]) =>
      JSON.parse((await exchange(url, ['GET /elastauth/ready HTTP/1.1', ...headers])).body)
    assert.deepEqual(await body('Host: logs.example.com'), { status: 'ready' })
    assert.deepEqual(await body('Host: localhost', 'X-Forwarded-For: 10.0.0.1'), { status: 'ready' })
    assert.equal((await body('Host: localhost')).components.elasticsearch, 'up')
  })

  test('a request through a unix socket gets the metrics', async () => {
    const socketPath = join(directory, 'listen.sock')
    await start({ flags: { enable_metrics: 'true', listen: `unix:${socketPath}` } })
    assert.ok(isMetrics(await getThroughSocket(socketPath, '/elastauth/metrics')))
  })

  test('a request over HTTP/2 with a forwarding header or a public authority gets 403 instead of the metrics', async () => {
    const secure = await start({ flags: { ...tlsFlags(), enable_metrics: 'true' } })
    const session = connect(secure.url, { ca: authority.cert })
    const statusWith = (headers: Record<string, string>) =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': '/elastauth/metrics', ...headers })
        stream.on('response', (response) => resolve(response[':status'])).on('error', reject)
        stream.resume().end()
      })
    assert.equal(await statusWith({}), 200)
    assert.equal(await statusWith({ 'x-forwarded-for': '127.0.0.1' }), 403)
    assert.equal(await statusWith({ ':authority': 'logs.example.com' }), 403)
    session.close()
  })
})

describe('with metrics.listen', async () => {
  const flags = { enable_metrics: 'true', 'metrics.listen': '127.0.0.1:0', 'forward_auth.listen': '127.0.0.1:0' }
  const gateway = await start({ flags })
  const metrics = await metricsUrlOf(gateway)
  const subRequests = await subRequestUrlOf(gateway)

  test('metrics.listen serves the metrics on /metrics and /elastauth/metrics, with any Host and forwarding header', async () => {
    for (const path of ['/metrics', '/elastauth/metrics', '/metrics?x=1'])
      assert.equal(
        await scrapeRaw(metrics, [`GET ${path} HTTP/1.1`, 'Host: metrics.example.com', 'X-Forwarded-For: 1.2.3.4']),
        '200 metrics',
      )
    assert.equal((await fetch(`${metrics}/metrics`, { method: 'HEAD' })).status, 200)
    assert.equal((await fetch(`${metrics}/metrics`, { method: 'POST' })).status, 405)
  })

  test('metrics.listen serves nothing else, and the log says so', async () => {
    for (const path of [
      '/',
      '/elastauth',
      '/elastauth/',
      '/elastauth/health',
      '/elastauth/config',
      '/%6detrics',
      '/metrics/',
    ]) {
      const head = [`GET ${path} HTTP/1.1`, 'Host: elastauth', 'Remote-User: bob']
      const { status, head: responseHead } = await exchange(metrics, head)
      assert.equal(status, 404, path)
      assert.doesNotMatch(responseHead, /authorization/i)
    }
    await gateway.logged(({ message = '' }) =>
      message.endsWith('metrics.listen serves only /metrics and /elastauth/metrics'),
    )
  })

  test('with metrics.listen, the other listeners respond to requests for metrics with 404, and listen names metrics.listen in the log', async () => {
    for (const url of [gateway.url, subRequests]) {
      for (const path of ['/metrics', '/elastauth/metrics'])
        assert.equal(await scrapeRaw(url, [`GET ${path} HTTP/1.1`, 'Host: localhost']), '404')
    }
    await gateway.logged(({ message = '' }) => message.endsWith('metrics are served only on metrics.listen'))
    assert.doesNotMatch(await (await fetch(`${gateway.url}/elastauth/openapi.yaml`)).text(), /metrics/)
  })

  test('in auth-only mode, metrics.listen rejects a sub-request, whose 200 would let the client in', async () => {
    const head = ['GET /metrics HTTP/1.1', 'Host: elastauth', 'X-Forwarded-Uri: /metrics', 'X-Forwarded-Method: GET']
    assert.equal(await scrapeRaw(metrics, head), '403')
  })

  test('metrics.listen may be a unix socket', async () => {
    const socketPath = join(directory, 'metrics.sock')
    await start({ flags: { enable_metrics: 'true', 'metrics.listen': `unix:${socketPath}` } })
    assert.ok(isMetrics(await getThroughSocket(socketPath, '/metrics')))
  })

  test('in proxy mode, metrics.listen forwards neither requests nor WebSockets', async () => {
    const upstream = await startRawUpstream((socket) => socket.write(switchingProtocols))
    const proxy = await startProxy(upstream.url, { flags: { enable_metrics: 'true', 'metrics.listen': '127.0.0.1:0' } })
    const own = { ...proxy, url: await metricsUrlOf(proxy) } satisfies Gateway
    for (const [path, status] of [
      ['/ws', 404],
      ['/metrics', 200],
    ] as const) {
      const connection = requestWebSocket(own, path)
      assert.equal((await connection.readResponse()).status, status)
      connection.socket.destroy()
    }
    assert.equal(await scrapeRaw(own.url, ['GET /app HTTP/1.1', 'Host: es', 'Remote-User: bob']), '404')
    assert.equal(upstream.connectionCount(), 0)
  })
})

function getThroughSocket(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, headers: { Host: 'localhost' } }, async (response) => {
      resolve((await response.toArray()).join(''))
    })
    sent.on('error', reject).end()
  })
}
