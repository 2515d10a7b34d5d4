import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { after, describe, test } from 'node:test'
import { createCall } from '../../src/es/call.ts'
import { createElasticsearchClient } from '../../src/es/client.ts'
import { createPing } from '../../src/es/service-account.ts'
import { asGatewayError } from '../../src/http/errors.ts'
import { createProviderFetch } from '../../src/providers/oidc/provider-fetch.ts'
import { createUpstream } from '../../src/proxy/routing/upstreams.ts'
import { toUpstreamError } from '../../src/proxy/upstream-error.ts'
import { createRedis } from '../../src/redis/redis.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { startUpstream } from '../support/upstream.ts'

const tls = createCertificateAuthority().issue('localhost')
const plainPort = (await startUpstream((_, response) => response.end('{}'))).port
const tlsPort = (await startUpstream((_, response) => response.end('{}'), { tls })).port
/** Answers plain text with a TLS alert, as Java servers do. */
const alertingServer = createServer((socket) => {
  socket.on('error', () => {}).once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 0x50])))
}).listen(0, '127.0.0.1')
await once(alertingServer, 'listening')
after(() => alertingServer.close())
const alertingPort = (alertingServer.address() as AddressInfo).port

/** Each client's reason for failing to reach a URL. */
const reasons: Readonly<Record<string, (url: URL) => Promise<string>>> = {
  async Elasticsearch({ origin }) {
    const options = { hosts: [origin], username: 'u', password: 'p', insecureSkipVerify: true, timeoutMs: 10_000 }
    const client = createElasticsearchClient(options)
    after(() => client.close())
    return detailOf(createPing(() => client, createCall({ monotonicNow: () => 0 }))())
  },
  provider({ href }) {
    const { fetch, close } = createProviderFetch({ customHeaders: {}, timeoutMs: 10_000, allowHttp: true })
    after(close)
    return detailOf(fetch(href, { method: 'GET', headers: {}, redirect: 'manual', body: undefined }))
  },
  async Redis({ protocol, hostname, port }) {
    const certificates = { ca: undefined, cert: undefined, key: undefined }
    const { promise, resolve } = Promise.withResolvers<string>()
    const redis = createRedis({
      connection: {
        servers: { kind: 'standalone', address: { host: hostname, port: Number(port) } },
        db: 0,
        timeoutMs: 10_000,
        tls: protocol === 'https:' ? certificates : undefined,
      },
      onStateChange: (change) => change.state === 'down' && resolve(change.reason),
    })
    after(() => redis.close())
    await redis.start()
    return promise
  },
  upstream(url) {
    const upstream = createUpstream(
      url,
      { insecureSkipVerify: true },
      { maxIdleConnections: 1, timeoutMs: 10_000, idleTimeoutMs: 10_000 },
    )
    after(() => upstream.close())
    return new Promise((resolve) => {
      upstream.dispatch(
        { method: 'GET', path: '/', headers: [] },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd() {},
          onResponseError: (_, error) => resolve(toUpstreamError(error, url.origin, true).detail),
        },
      )
    })
  },
}

function detailOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => assert.fail('reached it'),
    (error) => asGatewayError(error).detail,
  )
}

const at = (port: number) => `127.0.0.1:${port}`
const expectations: Readonly<Record<string, Readonly<Record<'plain' | 'tls', string>>>> = {
  Elasticsearch: {
    plain: 'write http:// in elasticsearch.hosts',
    tls: 'expects TLS, write https:// in elasticsearch.hosts',
  },
  provider: {
    plain: 'this port does not speak TLS: correct the port in oidc.issuer, or write http:// there',
    tls: 'if this port expects TLS, write https:// in oidc.issuer',
  },
  Redis: {
    plain:
      'the server does not speak TLS on this port: write redis:// in cache.redis_url or set cache.redis_tls: false',
    tls: 'if it expects TLS, write rediss:// in cache.redis_url, or set cache.redis_tls: true',
  },
  upstream: {
    plain: 'the upstream does not speak TLS on this port: use http:// in its URL',
    tls: 'if the upstream expects TLS on this port, use https:// in its URL',
  },
}

for (const [client, { plain, tls: expectsTls }] of Object.entries(expectations)) {
  describe(`a URL of ${client} with the wrong scheme`, () => {
    test(`https to a port of ${client} that does not speak TLS says so in place of OpenSSL's line`, async () => {
      const reason = await reasons[client]!(new URL(`https://${at(plainPort)}`))
      assert.ok(reason.includes(plain), reason)
      assert.doesNotMatch(reason, /error:0A|SSL routines|deps\/openssl/)
    })

    for (const [what, port] of [
      ['closes the connection', tlsPort],
      ['sends a TLS alert', alertingPort],
    ] as const)
      test(`http to a TLS port of ${client} that ${what} suggests https`, async () => {
        const reason = await reasons[client]!(new URL(`http://${at(port)}`))
        assert.ok(reason.includes(expectsTls), reason)
      })
  })
}
