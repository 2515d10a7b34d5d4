import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { Gateway, LogLine } from '../support/gateway.ts'
import { exchange, openRaw } from '../support/raw-http.ts'
import { authority, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const secret = 'a-shared-secret-of-32-characters'
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

let lastHeaders: Record<string, unknown> = {}
const upstream = await startUpstream((request, response) => {
  lastHeaders = request.headers
  response.writeHead(request.url === '/missing' ? 404 : 200).end()
})

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`
let count = 0

/** Sends a request with a path of its own. @returns its response and its line in the log */
async function send(gateway: Gateway, lines: readonly string[], localAddress = '127.0.0.1', isSubRequest = false) {
  const path = `/request/${count++}`
  const target = isSubRequest ? '/' : path
  const head = [`GET ${target} HTTP/1.1`, 'Host: es', 'Remote-User: bob', ...lines]
  if (isSubRequest) head.push(`X-Forwarded-Uri: ${path}`)
  const response = await exchange(gateway.url, head, { localAddress })
  const line = await gateway.logged((entry) => entry['url.path'] === path)
  return { response, line }
}

function addressesIn(line: LogLine) {
  return [line['client.ip'], line['source.ip']]
}

describe('the addresses in the log', async () => {
  const forwarded = ['X-Forwarded-For: 198.51.100.1', 'X-Forwarded-For: 203.0.113.7, 127.0.0.3']
  const flags = { trusted_proxies: 'loopback' }
  const listed = { trusted_proxies: 'loopback,127.0.0.3' }
  const untrusted = { trusted_proxies: '127.0.0.2' }
  const [forwardAuth, listedForwardAuth, untrustedForwardAuth, withSecret] = await Promise.all([
    start({ flags }),
    start({ flags: listed }),
    start({ flags: untrusted }),
    start({ flags, env: { ELASTAUTH_PROXY_SECRET: secret } }),
  ])
  const [proxy, listedProxy, untrustedProxy] = await Promise.all([
    startProxy(upstream.url, { flags }),
    startProxy(upstream.url, { flags: listed }),
    startProxy(upstream.url, { flags: untrusted }),
  ])

  for (const [mode, all, isSubRequest] of [
    ['auth-only mode', { byDefault: forwardAuth, listed: listedForwardAuth }, true],
    ['proxy mode', { byDefault: proxy, listed: listedProxy }, false],
  ] as const) {
    test(`in ${mode} the client is the last address of all X-Forwarded-For lines, and further left only behind a listed proxy`, async () => {
      const addressesOf = async (gateway: Gateway, lines: readonly string[]) =>
        addressesIn((await send(gateway, lines, '127.0.0.1', isSubRequest)).line)
      assert.deepEqual(await addressesOf(all.byDefault, forwarded), ['127.0.0.3', '127.0.0.1'])
      assert.deepEqual(await addressesOf(all.listed, forwarded), ['203.0.113.7', '127.0.0.1'])
      assert.deepEqual(await addressesOf(all.byDefault, ['Forwarded: for=198.51.100.1', 'Forwarded: for="[::5]:1"']), [
        '::5',
        '127.0.0.1',
      ])
    })
  }

  test('the client is the peer if the peer is not trusted, in both modes', async () => {
    const { line } = await send(untrustedProxy, forwarded)
    assert.deepEqual(addressesIn(line), ['127.0.0.1', '127.0.0.1'])
    await exchange(untrustedForwardAuth.url, ['GET / HTTP/1.1', 'Host: es', 'Remote-User: bob', ...forwarded])
    const rejected = await untrustedForwardAuth.logged((entry) => entry['error.code'] === 'peer_untrusted')
    assert.deepEqual(addressesIn(rejected), ['127.0.0.1', '127.0.0.1'])
  })

  test('the client is the peer if the proxy_secret is missing', async () => {
    await exchange(withSecret.url, ['GET / HTTP/1.1', 'Host: es', 'Remote-User: bob', ...forwarded])
    const rejected = await withSecret.logged((entry) => entry['error.code'] === 'peer_untrusted')
    assert.deepEqual(addressesIn(rejected), ['127.0.0.1', '127.0.0.1'])
    const { line } = await send(withSecret, [...forwarded, `X-Elastauth-Proxy-Secret: ${secret}`], '127.0.0.1', true)
    assert.deepEqual(addressesIn(line), ['127.0.0.3', '127.0.0.1'])
  })

  test('the upstream receives the whole list of addresses and the peer, as without the log', async () => {
    await send(proxy, forwarded)
    assert.equal(lastHeaders['x-forwarded-for'], '198.51.100.1, 203.0.113.7, 127.0.0.3, 127.0.0.1')
  })

  test('a WebSocket of a client behind a proxy is logged with the address of the client', async () => {
    const socketUpstream = await startUpstream((_, response) => response.end())
    socketUpstream.server.on('upgrade', (_, socket) => {
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    })
    const gateway = await startProxy(socketUpstream.url, { flags })
    const connection = openRaw(portOf(gateway))
    const lines = ['GET /socket HTTP/1.1', 'Host: es', 'Remote-User: bob', 'Connection: Upgrade', 'Upgrade: websocket']
    connection.send([...lines, ...forwarded, '', ''].join('\r\n'))
    await connection.closed
    const line = await gateway.logged((entry) => entry['url.path'] === '/socket')
    assert.deepEqual(addressesIn(line), ['127.0.0.3', '127.0.0.1'])
  })
})

describe('the ids of a request', async () => {
  const [proxy, http2] = await Promise.all([startProxy(upstream.url), startProxy(upstream.url, { flags: tlsFlags() })])

  test('the id in the log is what the upstream receives as X-Opaque-Id, beside the ids of the client', async () => {
    const { line } = await send(proxy, ['X-Request-Id: client.1', `traceparent: ${traceparent}`])
    assert.match(String(line['http.request.id']), /^[0-9a-f]{12}-[0-9a-f]+$/)
    assert.equal(lastHeaders['x-opaque-id'], line['http.request.id'])
    assert.deepEqual([line['labels.client_request_id'], lastHeaders['x-request-id']], ['client.1', 'client.1'])
    assert.deepEqual([line['trace.id'], lastHeaders.traceparent], [traceId, traceparent])
  })

  test('several or invalid ids of the client are neither logged nor forwarded', async () => {
    const lines = ['X-Request-Id: a', 'X-Request-Id: b', `traceparent: ${traceparent}-x`, 'tracestate: a=1']
    const { line } = await send(proxy, lines)
    assert.deepEqual([line['labels.client_request_id'], line['trace.id']], [undefined, undefined])
    const { 'x-request-id': id, traceparent: trace, tracestate } = lastHeaders
    assert.deepEqual([id, trace, tracestate], [undefined, undefined, undefined])
  })

  test('the ids and addresses of an HTTP/2 request are those of its headers, and several of one name do not count', async () => {
    const session = connect(http2.url, { ca: authority.cert })
    const request = async (headers: Record<string, string | string[]>) => {
      const path = `/request/${count++}`
      const stream = session.request({ ':path': path, 'remote-user': 'bob', ...headers })
      stream.resume()
      await once(stream, 'close')
      return http2.logged((entry) => entry['url.path'] === path)
    }
    const line = await request({
      'x-request-id': 'h2',
      traceparent,
      'x-forwarded-for': ['198.51.100.1', '203.0.113.7'],
    })
    assert.deepEqual([line['labels.client_request_id'], line['trace.id']], ['h2', traceId])
    assert.deepEqual(addressesIn(line), ['203.0.113.7', '127.0.0.1'])
    assert.equal(lastHeaders['x-opaque-id'], line['http.request.id'])
    const several = await request({ 'x-request-id': ['a', 'b'], traceparent: [traceparent, traceparent] })
    assert.deepEqual([several['labels.client_request_id'], several['trace.id']], [undefined, undefined])
    session.close()
  })

  test('an error response shows the id of elastauth, whatever id the client sends', async () => {
    const lines = ['GET /elastauth/nothing HTTP/1.1', 'Host: es', 'X-Request-Id: client-2']
    const { body } = await exchange(proxy.url, lines)
    const line = await proxy.logged((entry) => entry['labels.client_request_id'] === 'client-2')
    assert.equal(JSON.parse(body).request_id, line['http.request.id'])
  })
})

test('SIGHUP applies log_level, log.sample_hits and log.exclude_paths, and health probes appear at level debug only', async () => {
  const config = join(directory, 'log.yml')
  const write = (text: string) =>
    writeFileSync(config, `proxy: { enabled: true, elasticsearch_url: "${upstream.url}" }\n${text}`)
  write('log: { exclude_paths: ["/ui/*"], sample_hits: 1 }\n')
  const gateway = await start({ flags: { config } })
  const get = (target: string) => exchange(gateway.url, [`GET ${target} HTTP/1.1`, 'Host: es', 'Remote-User: bob'])
  const reload = async (text: string) => {
    const before = gateway.log.length
    write(text)
    gateway.process.kill('SIGHUP')
    return gateway.logged((line) => gateway.log.indexOf(line) >= before && /^configuration /.test(line.message ?? ''))
  }
  /** The paths and levels of all requests that are logged until a last one. */
  const requests = async (targets: readonly string[]) => {
    const before = gateway.log.length
    for (const target of targets) await get(target)
    await get('/elastauth/nothing')
    const isLast = (line: LogLine) => gateway.log.indexOf(line) >= before && line['error.code'] === 'not_found'
    const last = gateway.log.indexOf(await gateway.logged(isLast))
    const lines = gateway.log.slice(before, last).filter((line) => 'url.path' in line)
    return lines.map((line) => `${line['log.level']} ${line['url.path']}`)
  }

  const targets = ['/ui/a', '/ui/../b', '/elastauth/live', '/elastauth/ready', '/c', '/d']
  assert.deepEqual(await requests(targets), ['info /ui/../b', 'info /c', 'info /d'])
  await reload('log: { sample_hits: 0.5 }\nlog_level: debug\n')
  const probes = ['debug /elastauth/live', 'debug /elastauth/ready']
  assert.deepEqual(await requests(targets), ['info /ui/a', ...probes, 'info /c'])
  assert.deepEqual(
    await requests(['/e', '/missing']),
    ['info /e', 'info /missing'],
    'every error of the upstream is logged',
  )
  const { message } = await reload('log: { sample_hits: 2 }\n')
  assert.match(message!, /^configuration not reloaded.*log\.sample_hits/s)
  await reload('log_level: info\n')
  assert.deepEqual(await requests(targets), ['info /ui/a', 'info /ui/../b', 'info /c', 'info /d'])
})
