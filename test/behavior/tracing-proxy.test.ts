import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { describe, test } from 'node:test'
import type { Gateway } from '../support/gateway.ts'
import { type ReceivedSpan, startOtlpReceiver } from '../support/otlp/receiver.ts'
import { caFile, tlsFlags } from '../support/tls-files.ts'
import { startProxy, startUpstream } from '../support/upstream.ts'
import { curl } from './curl.ts'

const receiver = await startOtlpReceiver()
const upstream = await startUpstream((request, response) => {
  const { traceparent, tracestate } = request.headersDistinct
  const status = Number(new URL(request.url!, 'http://es').searchParams.get('status') ?? 200)
  response.writeHead(status).end(JSON.stringify({ traceparent, tracestate }))
})
const flags = { enableOtel: 'true' }
const gateway = await startProxy(upstream.url, { flags, env: receiver.env })

const callerTrace = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${callerTrace}-b7ad6b7169203331-01`

async function send({ url }: Gateway, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, { headers: { 'Remote-User': 'bob', ...headers } })
  return (await response.json()) as Partial<Record<'traceparent' | 'tracestate', string[]>> & { error?: string }
}

/** The span of the request with this path, and those of its requests to upstreams. */
async function spansOf(path: string) {
  const isRequest = ({ kind, attributes }: ReceivedSpan) => kind === 'server' && attributes['url.path'] === path
  const request = await receiver.received(isRequest)
  const attempts = receiver.spans.filter(({ kind, parentId }) => kind === 'client' && parentId === request.spanId)
  return { request, attempts }
}

/** What a span says about its result. */
function resultOf({ attributes, status }: ReceivedSpan) {
  return [attributes['http.response.status_code'], attributes['error.type'], status]
}

describe('the span of a request to an upstream', () => {
  for (const status of [404, 500]) {
    test(`the span of a request to an upstream that responds with ${status} has the status error`, async () => {
      await send(gateway, `/responds-with-${status}?status=${status}`)
      const { request, attempts } = await spansOf(`/responds-with-${status}`)
      assert.deepEqual(attempts.map(resultOf), [[status, String(status), 'error']])
      const expected = status === 404 ? [404, undefined, 'unset'] : [500, '500', 'error']
      assert.deepEqual(resultOf(request), expected)
    })
  }

  test('each attempt to reach an upstream has a span of its own', async () => {
    const routes = JSON.stringify([{ upstreams: ['http://127.0.0.1:1', 'http://127.0.0.1:9'] }])
    const balanced = await startProxy(undefined, { flags, env: { ...receiver.env, ELASTAUTH_PROXY_ROUTES: routes } })
    await send(balanced, '/attempts')
    const { attempts } = await spansOf('/attempts')
    assert.deepEqual(attempts.map(({ attributes }) => attributes['server.port']).sort(), [1, 9])
  })

  test('the spans of a request whose upstream cannot be reached name the reason', async () => {
    const alone = await startProxy('http://127.0.0.1:9', { flags, env: receiver.env })
    assert.equal((await send(alone, '/dead')).error, 'upstream_unavailable')
    const { request, attempts } = await spansOf('/dead')
    assert.deepEqual(resultOf(request), [502, 'upstream_unavailable', 'error'])
    assert.deepEqual(attempts.map(resultOf), [[undefined, 'ECONNREFUSED', 'error']])
  })

  test('the spans of a request whose client disconnects have its error code, and not the status error', async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>()
    upstream.respondWith(() => resolve())
    const client = httpRequest(`${gateway.url}/leaves`, { headers: { 'Remote-User': 'bob' } }).end()
    client.on('error', () => {})
    await arrived
    client.destroy()
    const { request } = await spansOf('/leaves')
    assert.deepEqual(resultOf(request), [499, 'client_closed', 'unset'])
    const attempt = await receiver.received(({ kind, parentId }) => kind === 'client' && parentId === request.spanId)
    assert.deepEqual(resultOf(attempt), [undefined, 'client_closed', 'unset'])
  })
})

test('the trace of an HTTP/2 request has the same spans as that of an HTTP/1.1 request', async () => {
  const secure = await startProxy(upstream.url, { flags: { ...flags, ...tlsFlags() }, env: receiver.env })
  for (const version of ['http2', 'http1.1']) {
    const headers = ['-H', 'Remote-User: bob', '-H', `traceparent: ${traceparent}`]
    await curl('--cacert', caFile, `--${version}`, ...headers, `${secure.url}/version/${version}`)
    const { request, attempts } = await spansOf(`/version/${version}`)
    const { 'elastauth.request.id': _, ...attributes } = request.attributes
    assert.deepEqual(attributes, {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'url.path': `/version/${version}`,
      'url.scheme': 'https',
    })
    assert.deepEqual([request.traceId, attempts.length], [callerTrace, 1])
  }
})

describe('traceparent in proxy mode', () => {
  test('an upstream continues the trace of a trusted peer', async () => {
    const received = await send(gateway, '/continued', { traceparent, tracestate: 'vendor=1' })
    const { attempts } = await spansOf('/continued')
    assert.deepEqual(received.traceparent, [`00-${callerTrace}-${attempts[0]!.spanId}-01`])
    assert.deepEqual(received.tracestate, ['vendor=1'])
  })

  test('an upstream gets the flag of a trace that is not sampled', async () => {
    const unsampled = callerTrace.replace('0af', 'fff')
    const received = await send(gateway, '/unsampled', { traceparent: `00-${unsampled}-b7ad6b7169203331-00` })
    assert.match(String(received.traceparent), new RegExp(`^00-${unsampled}-(?!b7ad6b7169203331)[0-9a-f]{16}-00$`))
  })

  test("an upstream gets neither the trace nor the tracestate of an untrusted client, but elastauth's", async () => {
    const routes = JSON.stringify([{ upstreams: [upstream.url], auth: 'none' }])
    const open = await startProxy(undefined, {
      flags: { ...flags, trusted_proxies: 'none' },
      env: { ...receiver.env, ELASTAUTH_PROXY_ROUTES: routes },
    })
    const received = await send(open, '/untrusted', { traceparent, tracestate: 'vendor=1' })
    const { request, attempts } = await spansOf('/untrusted')
    assert.deepEqual(received.traceparent, [`00-${request.traceId}-${attempts[0]!.spanId}-01`])
    assert.notEqual(request.traceId, callerTrace)
    assert.equal(received.tracestate, undefined)
    assert.deepEqual(
      request.links.map(({ traceId }) => traceId),
      [callerTrace],
    )
  })

  test("an upstream gets the client's own trace headers unchanged if traces are off, or with OTEL_PROPAGATORS=none", async () => {
    const off = await startProxy(upstream.url, { env: receiver.env })
    const alone = await startProxy(upstream.url, { flags, env: { ...receiver.env, OTEL_PROPAGATORS: 'none' } })
    for (const one of [off, alone]) {
      const received = await send(one, '/unchanged', { traceparent, tracestate: 'vendor=1' })
      assert.deepEqual(received, { traceparent: [traceparent], tracestate: ['vendor=1'] })
    }
  })
})
