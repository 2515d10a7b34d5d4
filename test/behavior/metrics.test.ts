import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Gateway } from '../support/gateway.ts'
import { scrape, untilSample } from '../support/metrics.ts'
import { findFreePort } from '../support/port.ts'
import { startProxy, startRawUpstream, startUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const flags = { enable_metrics: 'true' }
const nodeArguments = ['--import', fileURLToPath(new URL('../support/hours-later.ts', import.meta.url))]
const asBob = { headers: { 'Remote-User': 'bob' } }

/** Lets seven hours pass for the gateway. */
async function waitSevenHours({ process, logged }: Gateway): Promise<void> {
  process.kill('SIGUSR2')
  await logged(({ message }) => message === '7 hours later')
}

test('a WebSocket that is open for seven hours counts as a quick request and as a long tunnel', async () => {
  const upstream = await startRawUpstream((socket) => socket.write(switchingProtocols))
  const gateway = await startProxy(upstream.url, { flags, nodeArguments })
  const connection = requestWebSocket(gateway, '/ws')
  await connection.until(/^HTTP\/1.1 101 /)
  const during = await scrape(gateway.url)
  assert.equal(during('elastauth_open_tunnels'), 1)
  assert.equal(during('elastauth_active_requests'), 1) // the scrape itself
  assert.equal(during(`elastauth_upstream_active_requests{upstream="${upstream.url}"}`), 1)
  assert.equal(during(`elastauth_upstream_request_duration_seconds_count{upstream="${upstream.url}"}`), 1)
  await waitSevenHours(gateway)
  connection.socket.destroy()
  await untilSample(gateway.url, 'elastauth_open_tunnels', 0)
  const after = await scrape(gateway.url)
  assert.equal(after('elastauth_requests_total{method="GET",status="101"}'), 1)
  assert.equal(
    after('elastauth_request_duration_seconds_bucket{le="10"}'),
    after('elastauth_request_duration_seconds_count'),
  )
  assert.equal(after('elastauth_tunnel_duration_seconds_bucket{le="14400"}'), 0)
  assert.equal(after('elastauth_tunnel_duration_seconds_bucket{le="28800"}'), 1)
  assert.equal(after('elastauth_stream_duration_seconds_count'), 0)
  assert.equal(after(`elastauth_upstream_active_requests{upstream="${upstream.url}"}`), 0)
})

test('a response that streams for seven hours counts as a quick request until its head, and as a long stream', async () => {
  const responses: ServerResponse[] = []
  const upstream = await startUpstream((_, response) => {
    response.writeHead(200).write('first')
    responses.push(response)
  })
  const gateway = await startProxy(upstream.url, { flags, nodeArguments })
  const response = await fetch(`${gateway.url}/stream`, asBob)
  assert.equal((await scrape(gateway.url))(`elastauth_upstream_connections{upstream="${upstream.url}"}`), 1)
  await waitSevenHours(gateway)
  responses[0]!.end('last')
  assert.equal(await response.text(), 'firstlast')
  await untilSample(gateway.url, 'elastauth_stream_duration_seconds_count', 1)
  const after = await scrape(gateway.url)
  assert.equal(after('elastauth_stream_duration_seconds_bucket{le="7200"}'), 0)
  assert.equal(
    after('elastauth_request_duration_seconds_bucket{le="10"}'),
    after('elastauth_request_duration_seconds_count'),
  )
  assert.equal(after('elastauth_tunnel_duration_seconds_count'), 0)
  assert.equal(after(`elastauth_upstream_request_duration_seconds_count{upstream="${upstream.url}"}`), 1)
})

test('a response that elastauth itself sends after an upstream failed counts its whole time, and not as a stream', async () => {
  const upstream = await startUpstream((request) => request.socket.destroy())
  const gateway = await startProxy(upstream.url, { flags })
  assert.equal((await fetch(gateway.url, asBob)).status, 502)
  const samples = await scrape(gateway.url)
  assert.equal(samples('elastauth_requests_total{method="GET",status="502"}'), 1)
  assert.equal(samples('elastauth_request_duration_seconds_count'), 1)
  assert.equal(samples('elastauth_stream_duration_seconds_count'), 0)
  assert.equal(samples('elastauth_errors_total{error_type="upstream_unavailable"}'), 1)
})

test('elastauth_upstream_up is 0 after an upstream could not be reached, and 1 after it responded again', async () => {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const gateway = await startProxy(url, { flags })
  const sample = `elastauth_upstream_up{upstream="${url}"}`
  assert.equal((await scrape(gateway.url))(sample), 1)
  assert.equal((await fetch(gateway.url, asBob)).status, 502)
  assert.equal((await scrape(gateway.url))(sample), 0)
  const { server } = await startUpstream((_, response) => response.end(), { port })
  assert.ok(server.listening)
  await (await fetch(gateway.url, asBob)).text()
  await untilSample(gateway.url, sample, 1)
})

test('proxy mode has the metrics of the Go elastauth with the same numbers', async () => {
  const upstream = await startUpstream((_, response) => response.end('x'))
  const gateway = await startProxy(upstream.url, { flags })
  await (await fetch(gateway.url, asBob)).text()
  await (await fetch(gateway.url)).text()
  await untilSample(gateway.url, 'elastauth_proxy_requests_total{method="GET",status="200"}', 2)
  const samples = await scrape(gateway.url)
  assert.equal(samples('elastauth_proxy_authentication_total{result="success"}'), 1)
  assert.equal(samples('elastauth_proxy_authentication_total{result="failure"}'), 1)
  assert.equal(samples('elastauth_proxy_errors_total{error_type="identity_missing"}'), 1)
  assert.equal(samples('elastauth_proxy_active_requests'), 1)
  assert.ok(samples('elastauth_proxy_request_duration_seconds_count')! >= 2)
  assert.equal(samples('elastauth_proxy_cache_hits_total{result="miss"}'), 0) // a dry run reports no lookups
})

test('auth-only mode reports cached users, the latency of Elasticsearch, the build and reloads, and no metric of other features', async () => {
  const { start } = await createFixture()
  const gateway = await start({ flags })
  await sendSubRequest(gateway.url, 'ann')
  await sendSubRequest(gateway.url, 'ben')
  const samples = await scrape(gateway.url)
  assert.equal(samples('elastauth_cached_users'), 2)
  assert.equal(samples('elastauth_elasticsearch_request_duration_seconds_count{operation="user_write"}'), 2)
  const text = await (await fetch(`${gateway.url}/elastauth/metrics`)).text()
  assert.match(text, /^elastauth_build_info\{version="[^"]+",node_version="v[^"]+",mode="auth-only"\} 1$/m)
  assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m)
  assert.doesNotMatch(text, /elastauth_(?:proxy|upstream|redis|provider|sign|session|open|stream|tunnel)/)
  gateway.process.kill('SIGHUP')
  await untilSample(gateway.url, 'elastauth_config_reloads_total{result="success"}', 1)
})

test('a reload that fails is counted, and leaves the time of the last successful one as it was', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'elastauth-')), 'config.yml')
  writeFileSync(file, 'default_roles: [viewer]\n')
  const { start } = await createFixture()
  const gateway = await start({ flags: { ...flags, config: file } })
  const loadedAt = 'elastauth_config_last_reload_success_timestamp_seconds'
  const isSuccessful = 'elastauth_config_last_reload_successful'
  const atStart = (await scrape(gateway.url))(loadedAt)!
  assert.equal((await scrape(gateway.url))(isSuccessful), 1)
  writeFileSync(file, 'default_roles: [')
  gateway.process.kill('SIGHUP')
  await untilSample(gateway.url, 'elastauth_config_reloads_total{result="failure"}', 1)
  assert.equal((await scrape(gateway.url))(loadedAt), atStart)
  assert.equal((await scrape(gateway.url))(isSuccessful), 0)
  writeFileSync(file, 'default_roles: [editor]\n')
  gateway.process.kill('SIGHUP')
  await untilSample(gateway.url, 'elastauth_config_reloads_total{result="success"}', 1)
  assert.ok((await scrape(gateway.url))(loadedAt)! > atStart)
  assert.equal((await scrape(gateway.url))(isSuccessful), 1)
})
