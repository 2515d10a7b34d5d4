import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectPlain } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { findFreePort } from '../support/port.ts'
import { authority, caFile, tlsFlags, writePem } from '../support/tls-files.ts'
import { portOf, startProxy, startRawUpstream } from '../support/upstream.ts'
import { curl, curlStatus } from './curl.ts'
import { runElastauth, runHealth } from './elastauth-command.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const gateway = await start({ flags: { ...tlsFlags(), enable_metrics: 'true' } })
const caArguments = ['--cacert', caFile]

async function handshake(options: ConnectionOptions = {}, port = portOf(gateway)): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: authority.cert, ...options })
  await once(socket, 'secureConnect')
  return socket
}

test('a gateway with a TLS listener on a fixed port, whose log level hides the start line, is ready when startGateway resolves', async () => {
  const port = await findFreePort()
  for (const scheme of ['https://', '']) {
    const flags = { ...tlsFlags(), listen: `${scheme}127.0.0.1:${port}`, log_level: 'warn' }
    const { url, stop } = await start({ flags })
    assert.equal(url, `https://127.0.0.1:${port}`)
    assert.equal(await curlStatus(...caArguments, `${url}/elastauth/health`), '200')
    await stop()
  }
})

describe('a TLS listener', () => {
  for (const [flag, version] of [
    ['--http2', '2'],
    ['--http1.1', '1.1'],
    ['--no-alpn', '1.1'],
  ] as const) {
    test(`a TLS listener uses HTTP/${version} with curl ${flag}`, async () => {
      const args = [
        ...caArguments,
        flag,
        '-H',
        'Remote-User: bob',
        '-w',
        '%{http_code} %{http_version}',
        '-o',
        '/dev/null',
      ]
      assert.equal(await curl(...args, gateway.url), `200 ${version}`)
    })
  }

  test('a TLS listener sends the same response over HTTP/1.1 and HTTP/2, including the headers', async () => {
    const readLines = async (flag: string) => {
      const text = await curl(...caArguments, flag, '-i', '-H', 'Remote-User: bob', gateway.url)
      const [, ...lines] = text.split('\r\n')
      return lines
        .filter((line) => !/^(date|connection|keep-alive):/i.test(line))
        .map((line) => line.replace(/^[\w-]+:/, (name) => name.toLowerCase()))
    }
    assert.deepEqual(await readLines('--http2'), await readLines('--http1.1'))
  })

  test('a TLS listener accepts TLS 1.2 and 1.3, and no older version', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await handshake({ minVersion: version, maxVersion: version })
      assert.equal(socket.getProtocol(), version)
      socket.destroy()
    }
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await assert.rejects(handshake(old))
  })

  test('a TLS listener rejects ciphers without forward secrecy, and renegotiation', async () => {
    await assert.rejects(
      handshake({ maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA' }),
    )
    const socket = await handshake({ maxVersion: 'TLSv1.2' })
    socket.renegotiate({}, () => {})
    const [error] = await once(socket, 'error')
    assert.equal(error.code, 'ERR_SSL_NO_RENEGOTIATION')
  })

  test('closes connections with plain HTTP or an unknown ALPN protocol, and logs the reason', async () => {
    const plain = connectPlain(portOf(gateway), '127.0.0.1')
    plain.on('error', () => {})
    plain.write('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await once(plain, 'close')
    const line = await gateway.logged(({ message = '' }) =>
      /^a TLS connection failed: ERR_SSL_HTTP_REQUEST/.test(message),
    )
    assert.equal(line['event.action'], 'tls_failed')
    await assert.rejects(handshake({ ALPNProtocols: ['h3'] }))
  })
})

test('requests over HTTP/2 are logged and counted like those over HTTP/1.1', async () => {
  await curl(
    ...caArguments,
    '--http2',
    '-H',
    'Remote-User: carol',
    '-H',
    'X-Forwarded-Uri: /by-http2?token=hidden',
    gateway.url,
  )
  const line = await gateway.logged(({ message }) => message === 'GET /by-http2 200')
  assert.deepEqual([line['client.ip'], line['user.name']], ['127.0.0.1', 'carol'])
  assert.match(
    await curl(...caArguments, '--http2', `${gateway.url}/elastauth/metrics`),
    /requests_total\{method="GET",status="200"\}/,
  )
  assert.ok(!gateway.output().includes('hidden'))
})

test('the address in the start line of the log begins with https', () => assert.match(gateway.url, /^https:/))

describe('after SIGHUP', () => {
  test('after SIGHUP, new connections get the new certificate, an invalid certificate is ignored, and open connections stay open', async () => {
    const flags = tlsFlags(authority.issue('first'), 'renewed')
    const renewing = await start({ flags })
    const port = portOf(renewing)
    const currentName = async () => {
      const socket = await handshake({}, port)
      const { subject } = socket.getPeerCertificate()
      socket.destroy()
      return subject.CN
    }
    const session = connectHttp2(renewing.url, { ca: authority.cert })
    await once(session, 'connect')
    assert.equal(await currentName(), 'first')

    const { cert, key } = authority.issue('second')
    writeFileSync(flags['tls.cert'], cert)
    renewing.process.kill('SIGHUP') // between the two writes: certificate and key do not match
    await renewing.logged(({ message = '' }) => /not reloaded.*does not belong to tls\.cert/s.test(message))
    assert.equal(await currentName(), 'first')
    writeFileSync(flags['tls.key'], key)
    renewing.process.kill('SIGHUP')
    await renewing.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
    assert.equal(await currentName(), 'second')

    const stream = session.request({ ':path': '/elastauth/health' })
    const [headers] = await once(stream, 'response')
    assert.equal(headers[':status'], 200)
    session.destroy()
  })
})

describe('configuration faults of a TLS listener', () => {
  const other = createCertificateAuthority().issue('other')
  const flags = tlsFlags()
  const rows: [title: string, flags: Record<string, string>, expected: RegExp][] = [
    ['https without a certificate', { listen: 'https://127.0.0.1:0' }, /tls\.cert.*required.*listen\[0\]/],
    ['a certificate without its key', { 'tls.cert': flags['tls.cert'] }, /tls\.key.*not set/],
    [
      'a key that does not match the certificate',
      { ...flags, 'tls.key': writePem('other.key', other.key) },
      /tls\.key.*does not belong to tls\.cert/,
    ],
    ['a file that does not exist', { ...flags, 'tls.cert': '/does/not/exist' }, /tls\.cert.*does not exist/],
    ['a file without a certificate', { ...flags, 'tls.cert': flags['tls.key'] }, /tls\.cert.*no certificate/],
    [
      'a certificate without a TLS listener',
      { ...flags, listen: 'http://127.0.0.1:0' },
      /tls\.cert.*every listener is http/,
    ],
    ['client_auth without client_ca', { ...flags, 'tls.client_auth': 'request' }, /tls\.client_ca.*required/],
    ['client_ca without client_auth', { ...flags, 'tls.client_ca': caFile }, /tls\.client_auth.*no effect/],
    [
      'trusted_proxies: client_cert without client_auth',
      { ...flags, trusted_proxies: 'client_cert' },
      /trusted_proxies.*not asked for a certificate/,
    ],
    ['client_names without client_auth', { ...flags, 'tls.client_names': 'a' }, /tls\.client_names/],
  ]
  for (const [title, withFlags, expected] of rows) {
    test(`config check reports ${title} as a fault`, async () => {
      const args = Object.entries(withFlags).flatMap(([key, value]) => [`--${key}`, value])
      const { code, stderr } = await runElastauth(['config', 'check', ...args], {
        ELASTAUTH_SECRET_KEY: '5eed0f7e57'.padEnd(64, '0123456789abcdef'),
        ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true',
      })
      assert.equal(code, 1)
      assert.match(stderr, expected)
    })
  }

  test('an expired certificate causes only a warning', async () => {
    const expired = await start({ flags: tlsFlags(authority.issue('old', { expired: true }), 'expired') })
    assert.ok(expired.log.some(({ message = '' }) => /tls\.cert has expired on \d{4}-/.test(message)))
  })
})

test('elastauth health uses TLS, whatever the names in the certificate', async () => {
  const named = tlsFlags(authority.issue('elastauth.example.com', { names: ['elastauth.example.com'] }), 'named')
  const { url } = await start({ flags: named })
  const { code, stdout } = await runHealth(['--listen', `https://127.0.0.1:${new URL(url).port}`])
  assert.deepEqual([code, /responded with 200/.test(stdout)], [0, true])
})

test('WebSockets over HTTP/2 are not offered, because there is no ENABLE_CONNECT_PROTOCOL setting', async () => {
  const session = connectHttp2(gateway.url, { ca: authority.cert })
  const [settings] = await once(session, 'remoteSettings')
  assert.equal(settings.enableConnectProtocol, false)
  session.destroy()
})

test('a WebSocket over TLS is forwarded with X-Forwarded-Proto: https', async () => {
  const { promise: head, resolve } = Promise.withResolvers<string>()
  const upstream = await startRawUpstream((socket, text) => {
    resolve(text)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.on('data', (chunk) => socket.write(`echo ${chunk}`))
  })
  const proxy = await startProxy(upstream.url, { flags: tlsFlags() })
  const socket = await handshake({ ALPNProtocols: ['http/1.1'] }, portOf(proxy))
  socket.write(
    'GET /ws HTTP/1.1\r\nHost: es\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nRemote-User: bob\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a2V5\r\n\r\n',
  )
  const [switched] = await once(socket, 'data')
  assert.match(String(switched), /^HTTP\/1.1 101 /)
  socket.write('hello')
  const [echo] = await once(socket, 'data')
  assert.equal(String(echo), 'echo hello')
  assert.match(await head, /^x-forwarded-proto: https\r$/im)
  socket.destroy()
})

test('SIGTERM closes HTTP/2 sessions with GOAWAY and idle connections at once, and the exit code is 0', async () => {
  const draining = await start({ flags: tlsFlags() })
  const session = connectHttp2(draining.url, { ca: authority.cert })
  const goaway = once(session, 'goaway')
  const stream = session.request({ ':path': '/elastauth/health' })
  await once(stream, 'response')
  stream.resume()
  await once(stream, 'close')
  const idle = await handshake({}, portOf(draining))
  idle.on('error', () => {})
  const handshaking = connectPlain(portOf(draining), '127.0.0.1')
  handshaking.on('error', () => {})
  await once(handshaking, 'connect')
  await sleep(50)
  handshaking.destroy()
  const code = await draining.stop()
  await goaway
  assert.equal(code, 0)
})

test('curl without the CA rejects the certificate', async () => assert.equal(await curlStatus(gateway.url), '000'))
