import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Gateway } from '../support/gateway.ts'
import { type ReceivedSpan, startOtlpReceiver } from '../support/otlp/receiver.ts'
import { createFixture } from './fixture.ts'

const receiver = await startOtlpReceiver()
const { start } = await createFixture()
const proxySecret = 'a-secret-of-the-proxy'
const gateway = await start({
  flags: { enableOtel: 'true' },
  env: { ...receiver.env, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20hunter2-collector' },
})

/** Sends a sub-request as Traefik does. The original path names the request's span. */
function send({ url }: Gateway, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers: { 'Remote-User': 'alice', 'X-Forwarded-Uri': path, ...headers } })
}

/** The span of the request with this path, and the spans below it. */
async function traceOf(path: string): Promise<{ request: ReceivedSpan; all: ReceivedSpan[] }> {
  const request = await receiver.received(({ attributes }) => attributes['url.path'] === path)
  return { request, all: receiver.spans.filter(({ traceId }) => traceId === request.traceId) }
}

/** Each span as `parent > child`. */
function edgesOf(spans: readonly ReceivedSpan[]): string[] {
  const nameOf = (id: string) => spans.find(({ spanId }) => spanId === id)?.name ?? 'none'
  return spans.map(({ name, parentId }) => `${nameOf(parentId)} > ${name}`).sort()
}

const callerTrace = '0af7651916cd43dd8448eb211c80319c'
const callerSpan = 'b7ad6b7169203331'
const traceparent = `00-${callerTrace}-${callerSpan}-01`

describe('the trace of a request', () => {
  test('the trace of a request has a span for the request, its authentication, and each call to Elasticsearch', async () => {
    const response = await send(gateway, '/first?token=hunter2-query', { 'X-Forwarded-Host': '[::1]:5601' })
    assert.equal(response.status, 200)
    const { request, all } = await traceOf('/first')
    assert.deepEqual(edgesOf(all), [
      'GET > authenticate',
      'authenticate > user_read',
      'authenticate > user_write',
      'none > GET',
    ])
    const { 'elastauth.request.id': id, ...attributes } = request.attributes
    assert.deepEqual(attributes, {
      'http.request.method': 'GET',
      'server.address': '::1',
      'url.path': '/first',
      'url.scheme': 'http',
      'http.response.status_code': 200,
    })
    const { kind, status, resource } = request
    assert.deepEqual([kind, status, resource['service.name']], ['server', 'unset', 'elastauth'])
    const read = all.find(({ name }) => name === 'user_read')!
    assert.equal(read.kind, 'client')
    assert.deepEqual(read.attributes, { 'db.system.name': 'elasticsearch', 'db.operation.name': 'user_read' })
    const line = await gateway.logged((one) => one['url.path'] === '/first')
    assert.deepEqual([line['trace.id'], line['span.id']], [request.traceId, request.spanId])
    assert.equal(line['http.request.id'], id)
  })

  test('the trace of a request has no call to Elasticsearch if the credential is cached', async () => {
    await send(gateway, '/warm')
    await send(gateway, '/cached')
    assert.deepEqual(edgesOf((await traceOf('/cached')).all), ['GET > authenticate', 'none > GET'])
  })

  test('the trace of a rejected request has its error code, and not the status error', async () => {
    await send(gateway, '/rejected', { 'Remote-User': '' })
    const { all } = await traceOf('/rejected')
    assert.deepEqual(all.map(({ name, attributes, status }) => [name, attributes['error.type'], status]).sort(), [
      ['GET', 'identity_missing', 'unset'],
      ['authenticate', 'identity_missing', 'unset'],
    ])
    const request = all.find(({ kind }) => kind === 'server')!
    assert.equal(request.attributes['http.response.status_code'], 401)
  })

  test('each span that failed because Elasticsearch is down has the status error', async () => {
    const other = await createFixture()
    const failing = await other.start({ flags: { enableOtel: 'true' }, env: receiver.env })
    await other.elasticsearch.close()
    assert.equal((await send(failing, '/down')).status, 503)
    const { all } = await traceOf('/down')
    for (const { name, attributes, status } of all)
      assert.deepEqual([status, attributes['error.type']], ['error', 'elasticsearch_unavailable'], name)
    assert.deepEqual(edgesOf(all), ['GET > authenticate', 'authenticate > user_read', 'none > GET'])
  })

  test('the span of a request to an endpoint has the path in its name', async () => {
    await fetch(`${gateway.url}/elastauth/whoami`, { headers: { 'Remote-User': 'alice' } })
    const { request } = await traceOf('/elastauth/whoami')
    assert.deepEqual([request.name, request.attributes['http.route']], ['GET /elastauth/whoami', '/elastauth/whoami'])
  })

  test('requests of the monitoring are not traced', async () => {
    for (const name of ['health', 'live', 'ready']) await fetch(`${gateway.url}/elastauth/${name}`)
    await send(gateway, '/after-monitoring')
    await traceOf('/after-monitoring')
    assert.ok(!receiver.spans.some(({ attributes }) => /health|live|ready/.test(String(attributes['url.path']))))
  })

  test('the span of a request with an unknown method has a bounded name', async () => {
    await send(gateway, '/method', { 'X-Forwarded-Method': 'BREW' })
    const { request } = await traceOf('/method')
    assert.deepEqual([request.name, request.attributes['http.request.method']], ['HTTP', '_OTHER'])
  })
})

describe('traceparent', () => {
  test('the traceparent of a trusted peer is continued', async () => {
    await send(gateway, '/continued', { traceparent, tracestate: 'vendor=1' })
    const { request } = await traceOf('/continued')
    assert.deepEqual([request.traceId, request.parentId], [callerTrace, callerSpan])
    assert.equal(request.traceState, 'vendor=1')
  })

  test('a traceparent without the sampled flag keeps the trace from being exported', async () => {
    const unsampled = callerTrace.replace('0af', 'fff')
    await send(gateway, '/unsampled', { traceparent: `00-${unsampled}-${callerSpan}-00` })
    await send(gateway, '/after-unsampled')
    await traceOf('/after-unsampled')
    assert.ok(!receiver.spans.some(({ traceId }) => traceId === unsampled))
    const line = await gateway.logged((one) => one['url.path'] === '/unsampled')
    assert.equal(line['trace.id'], unsampled)
  })

  for (const [path, value] of [
    ['/malformed', traceparent.toUpperCase()],
    ['/zeros', `00-${'0'.repeat(32)}-${callerSpan}-01`],
    ['/version-ff', traceparent.replace('00', 'ff')],
    ['/doubled', `${traceparent}, ${traceparent}`],
  ] as const) {
    test(`a malformed traceparent counts as none: ${path.slice(1)}`, async () => {
      await send(gateway, path, { traceparent: value })
      const { request } = await traceOf(path)
      assert.notEqual(request.traceId.toLowerCase(), callerTrace)
      assert.deepEqual([request.parentId, request.links], ['', []])
    })
  }

  test('the traceparent of an untrusted peer is linked to a new trace, and cannot prevent its export', async () => {
    const guarded = await start({
      flags: { enableOtel: 'true' },
      env: { ...receiver.env, ELASTAUTH_PROXY_SECRET: proxySecret },
    })
    const untrusted = `00-${callerTrace}-${callerSpan}-00`
    assert.equal((await fetch(`${guarded.url}/?untrusted`, { headers: { traceparent: untrusted } })).status, 401)
    const request = await receiver.received(({ links }) => links.length > 0)
    assert.deepEqual(request.links, [{ traceId: callerTrace, spanId: callerSpan }])
    assert.deepEqual([request.parentId, request.traceId === callerTrace], ['', false])
    await send(guarded, '/trusted', { traceparent, 'X-Elastauth-Proxy-Secret': proxySecret })
    assert.equal((await traceOf('/trusted')).request.traceId, callerTrace)
  })

  test('a traceparent has no effect with OTEL_PROPAGATORS=none', async () => {
    const alone = await start({ flags: { enableOtel: 'true' }, env: { ...receiver.env, OTEL_PROPAGATORS: 'none' } })
    await send(alone, '/alone', { traceparent })
    const { request } = await traceOf('/alone')
    assert.deepEqual([request.parentId, request.links], ['', []])
  })
})

describe('the export', () => {
  test('the headers of OTEL_EXPORTER_OTLP_HEADERS are sent to the collector, and not logged', async () => {
    await send(gateway, '/headers')
    await traceOf('/headers')
    assert.ok(receiver.exports.some(({ authorization }) => authorization === 'Bearer hunter2-collector'))
    assert.doesNotMatch(gateway.output(), /hunter2/)
  })

  test('exports no query, header, username, password or message of an error', async () => {
    await send(gateway, '/secrets?code=hunter2-query', {
      'X-Secret': 'hunter2-header',
      'Remote-Email': 'hunter2@x.org',
    })
    await traceOf('/secrets')
    const exported = receiver.bytes().toString('latin1')
    for (const secret of ['hunter2', 'alice', 'changeme', proxySecret]) assert.ok(!exported.includes(secret), secret)
    for (const { statusMessage, events } of receiver.spans) assert.deepEqual([statusMessage, events], ['', 0])
  })

  test('exports the name and the attributes of the standard variables', async () => {
    const named = await start({
      flags: { enableOtel: 'true' },
      env: {
        ...receiver.env,
        OTEL_SERVICE_NAME: 'gateway-eu',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      },
    })
    await send(named, '/named')
    const { resource } = (await traceOf('/named')).request
    assert.deepEqual([resource['service.name'], resource['deployment.environment.name']], ['gateway-eu', 'test'])
  })

  test('an invalid OTEL_ variable has a warning in the log, and its default', async () => {
    const warned = await start({
      flags: { enableOtel: 'true' },
      env: { ...receiver.env, OTEL_TRACES_SAMPLER: 'sometimes' },
    })
    await warned.logged(({ message = '' }) =>
      /OpenTelemetry: OTEL_TRACES_SAMPLER value "sometimes" invalid/.test(message),
    )
    await send(warned, '/sampled')
    await traceOf('/sampled')
  })

  test('a shutdown exports the last spans', async () => {
    const stopped = await start({
      flags: { enableOtel: 'true' },
      env: { ...receiver.env, OTEL_BSP_SCHEDULE_DELAY: '600000' },
    })
    await send(stopped, '/last')
    assert.equal(await stopped.stop(), 0)
    await traceOf('/last')
  })
})

describe('the collector', () => {
  test('a collector that rejects traces causes two log lines for the outage, and fails no request', async () => {
    const collector = await startOtlpReceiver()
    const exporting = await start({ flags: { enableOtel: 'true' }, env: collector.env })
    collector.respondWith((_, response) => response.writeHead(401, { 'X-Reason': 'hunter2' }).end('hunter2'))
    for (let count = 1; count <= 5; count++) {
      assert.equal((await send(exporting, `/refused/${count}`)).status, 200)
      await collector.exported(count)
    }
    await exporting.logged(({ message = '' }) =>
      /^traces cannot be exported: it responded with status 401/.test(message),
    )
    collector.respondWith()
    await send(exporting, '/accepted')
    await exporting.logged(({ message }) => message === 'traces are exported again')
    const lines = exporting.log.filter(({ message = '' }) => /^traces/.test(message))
    assert.equal(lines.length, 2)
    assert.doesNotMatch(exporting.output(), /hunter2/)
  })

  test('a collector that hangs delays neither requests nor a shutdown', async () => {
    const collector = await startOtlpReceiver()
    collector.respondWith(() => {})
    const env = { ...collector.env, OTEL_EXPORTER_OTLP_TIMEOUT: '3600000' } // an hour: the shutdown has its own limit
    const exporting = await start({ flags: { enableOtel: 'true' }, env })
    for (let count = 0; count < 5; count++) assert.equal((await send(exporting, `/hangs/${count}`)).status, 200)
    await collector.exported(1)
    assert.equal(await exporting.stop(), 0)
  })

  test('a collector that cannot be reached does not prevent the start', async () => {
    const exporting = await start({
      flags: { enableOtel: 'true' },
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
        OTEL_EXPORTER_OTLP_TIMEOUT: '500',
        OTEL_BSP_SCHEDULE_DELAY: '20',
      },
    })
    assert.equal((await send(exporting, '/unreachable')).status, 200)
    await exporting.logged(
      ({ message }) => message === 'traces cannot be exported: ECONNREFUSED; see OTEL_EXPORTER_OTLP_ENDPOINT',
    )
  })
})

describe('the modules of traces', () => {
  const hook = fileURLToPath(new URL('../support/otlp/loaded-modules.ts', import.meta.url))

  /** The URLs of all modules that a gateway has loaded until it stopped. */
  async function modulesOf(flags: Record<string, string>, env: Record<string, string> = {}): Promise<string[]> {
    const file = join(mkdtempSync(join(tmpdir(), 'elastauth-modules-')), 'modules')
    const one = await start({
      flags,
      env: { ...receiver.env, ...env, TEST_MODULES: file },
      nodeArguments: ['--import', hook],
    })
    await send(one, '/modules')
    await one.stop()
    return readFileSync(file, 'utf8').split('\n')
  }

  /** The Elasticsearch client itself loads the API and its core. */
  const isOfTracing = (url: string) =>
    /\/src\/(?:app\/tracing\.ts|tracing\/)/.test(url) ||
    /@opentelemetry\/(?!(?:api|core|semantic-conventions)\/)/.test(url)

  test('without enableOtel, neither the SDK nor any module of elastauth that uses it is loaded', async () => {
    assert.deepEqual((await modulesOf({})).filter(isOfTracing), [])
    assert.ok((await modulesOf({ enableOtel: 'true' })).filter(isOfTracing).length > 20)
  })

  test('with OTEL_SDK_DISABLED=true, the SDK is not loaded, whatever enableOtel says', async () => {
    assert.deepEqual((await modulesOf({ enableOtel: 'true' }, { OTEL_SDK_DISABLED: 'true' })).filter(isOfTracing), [])
  })

  test('without enableOtel, nothing is exported, and no span is logged', async () => {
    const off = await start({ env: receiver.env })
    await send(off, '/off', { traceparent })
    const line = await off.logged((one) => one['url.path'] === '/off')
    assert.equal(line['span.id'], undefined)
    await off.stop()
    assert.ok(!receiver.spans.some(({ attributes }) => attributes['url.path'] === '/off'))
  })
})
