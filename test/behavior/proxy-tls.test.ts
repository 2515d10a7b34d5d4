import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import {
  type Certificate,
  createCertificateAuthority,
  createSelfSigned,
} from '../support/elasticsearch/certificates.ts'
import type { Gateway } from '../support/gateway.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream, type Upstream } from '../support/upstream.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
let files = 0

function write(text: string): string {
  const path = join(directory, `${files++}.pem`)
  writeFileSync(path, text)
  return path
}

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const authority = createCertificateAuthority()
const ca = write(authority.cert)
const anotherCa = write(createCertificateAuthority().cert)
const own = authority.issue('upstream')

/** Responds with the requested server name and the name of the client certificate. */
const listener: RequestListener = ({ url, socket }, response) => {
  if (url === '/unfinished') {
    response.write(describeTls(socket))
    onUnfinished(response)
  } else response.end(describeTls(socket))
}
let onUnfinished: (response: ServerResponse) => void = () => {}

function describeTls(stream: Socket): string {
  const socket = stream as TLSSocket
  return `requested ${socket.servername || 'none'} by ${socket.getPeerCertificate().subject?.CN ?? 'anonymous'}.`
}

/** Starts an https upstream, which also accepts WebSockets. */
async function startTls(pair: Certificate, { requestCert = false } = {}): Promise<Upstream> {
  const upstream = await startUpstream(listener, {
    tls: { ...pair, ca: authority.cert, requestCert, rejectUnauthorized: requestCert },
  })
  upstream.server.on('upgrade', ({ socket }, stream) => {
    stream.on('error', () => {})
    stream.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${describeTls(socket)}`,
    )
  })
  return upstream
}

const byName = ({ port }: Upstream) => `https://localhost:${port}`
const tlsEnabled = { 'proxy.tls.enabled': 'true' }
const verified = { ...tlsEnabled, 'proxy.tls.ca_cert': ca }

/** Sends a request and a WebSocket request on two connections, with a Host header that differs from the upstream's name. */
async function checkBoth(gateway: Gateway, expected: RegExp, path = '/'): Promise<void> {
  for (const headers of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
    const connection = openRaw(portOf(gateway))
    const head = [`GET ${path} HTTP/1.1`, 'Host: evil.example.com', 'Remote-User: bob', ...headers, '', '']
    connection.send(head.join('\r\n'))
    const text = await connection.until(/requested .*\.|"request_id":.*\}/)
    assert.match(text, expected)
    assert.equal(text.match(/^HTTP/gm)?.length, 1, 'one response')
    connection.socket.destroy()
  }
}

/** The log messages of the two failed requests of `checkBoth`. */
async function failuresOf(gateway: Gateway): Promise<string[]> {
  const failures = () => gateway.log.filter((line) => line['http.response.status_code'] === 502)
  await gateway.logged(() => failures().length === 2)
  return failures().map(({ message }) => message!)
}

const plain = await startTls(own)
const requestingCert = await startTls(own, { requestCert: true })
const badGateway = /^HTTP\/1.1 502 [\s\S]*"upstream_unavailable"/

describe('the verification of an https upstream, whatever Host the client sends', () => {
  const internal = authority.issue('upstream', { names: ['es.internal'] })
  const rows: [what: string, url: () => string, flags: Record<string, string>, expected: RegExp][] = [
    ['verified by the name in its URL', () => byName(plain), verified, /requested localhost by/],
    ['verified by the address in its URL', () => plain.url, verified, /requested none by/],
    [
      'without verification if insecure_skip_verify is set',
      () => byName(plain),
      { ...tlsEnabled, 'proxy.tls.insecure_skip_verify': 'true' },
      /requested/,
    ],
  ]
  for (const [what, url, flags, expected] of rows) {
    test(`connects to an https upstream ${what}`, async () => checkBoth(await startProxy(url(), { flags }), expected))
  }

  test('verifies an https upstream by the server_name of its route', async () => {
    const upstream = await startTls(internal)
    const routes = [{ upstreams: [upstream.url], tls: { ca_cert: ca, server_name: 'es.internal' } }]
    const gateway = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })
    await checkBoth(gateway, /requested es\.internal by/)
  })
})

describe('an https upstream that cannot be verified', () => {
  const rows: [what: string, pair: Certificate, fix: RegExp][] = [
    ['an expired certificate', authority.issue('upstream', { expired: true }), /expired.*: renew it/],
    [
      'a certificate for another name',
      authority.issue('upstream', { names: ['kibana.internal'] }),
      /kibana\.internal.*server_name/,
    ],
    ['a self-signed certificate', createSelfSigned('upstream'), /self-signed.*ca_cert/],
    ['a certificate of an unknown CA', createCertificateAuthority().issue('upstream'), /ca_cert/],
  ]
  for (const [what, pair, fix] of rows) {
    test(`responds with 502 if the upstream has ${what}, and logs the fix`, async () => {
      const gateway = await startProxy(byName(await startTls(pair)), { flags: verified })
      await checkBoth(gateway, badGateway)
      for (const failure of await failuresOf(gateway)) assert.match(failure, fix)
    })
  }

  test('responds with 502 if the URL of an http upstream begins with https, and logs the fix', async () => {
    const { port } = await startUpstream(listener)
    const gateway = await startProxy(`https://localhost:${port}`, { flags: verified })
    await checkBoth(gateway, badGateway)
    for (const failure of await failuresOf(gateway)) assert.match(failure, /does not speak TLS.*http:\/\//)
  })
})

describe('an upstream that requests a client certificate', () => {
  const pairOf = ({ cert, key }: Certificate) => ({
    'proxy.tls.client_cert': write(cert),
    'proxy.tls.client_key': write(key),
  })

  test('sends the configured client certificate to an upstream that requests one', async () => {
    const gateway = await startProxy(byName(requestingCert), {
      flags: { ...verified, ...pairOf(authority.issue('gateway')) },
    })
    await checkBoth(gateway, /by gateway\./)
  })

  const rows: [what: string, flags: () => Record<string, string>, fix: RegExp][] = [
    ['no client certificate', () => ({}), /client certificate.*client_cert/],
    [
      'a client certificate of an unknown CA',
      () => pairOf(createCertificateAuthority().issue('x')),
      /missing or rejected.*client_cert/,
    ],
    [
      'an expired client certificate',
      () => pairOf(authority.issue('x', { expired: true })),
      /missing or rejected.*client_cert/,
    ],
  ]
  for (const [what, flags, fix] of rows) {
    test(`responds with 502 if the upstream gets ${what}, and logs the fix`, async () => {
      const gateway = await startProxy(byName(requestingCert), { flags: { ...verified, ...flags() } })
      await checkBoth(gateway, badGateway)
      for (const failure of await failuresOf(gateway)) assert.match(failure, fix)
    })
  }
})

/** Starts a server that rejects clients with a TLS alert. Node's server only closes the connection. */
async function startAlertingServer(): Promise<Upstream['url']> {
  const files = ['-cert', write(own.cert), '-key', write(own.key), '-CAfile', ca]
  const args = ['s_server', '-accept', '127.0.0.1:0', ...files, '-Verify', '1', '-verify_return_error', '-www']
  const child = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'ignore'] })
  after(() => child.kill())
  let output = ''
  for await (const chunk of child.stdout) {
    output += chunk
    const [, port] = /ACCEPT 127\.0\.0\.1:(\d+)\n/.exec(output) ?? []
    if (port !== undefined) return `https://localhost:${port}`
  }
  throw new Error(`openssl exited: ${output}`)
}

describe('a TLS alert from an upstream', { skip: !hasOpenssl && 'there is no openssl' }, () => {
  const expired = authority.issue('x', { expired: true })
  const rows: [what: string, pair: Certificate | undefined, fix: RegExp][] = [
    ['requires a client certificate', undefined, /certificate required.*requires a client certificate/],
    ['rejects our client certificate', expired, /certificate expired.*rejects our client certificate/],
  ]
  for (const [what, pair, fix] of rows) {
    test(`logs the TLS alert from an upstream that ${what}`, async () => {
      const client = pair && { 'proxy.tls.client_cert': write(pair.cert), 'proxy.tls.client_key': write(pair.key) }
      const gateway = await startProxy(await startAlertingServer(), { flags: { ...verified, ...client } })
      await checkBoth(gateway, badGateway)
      for (const failure of await failuresOf(gateway)) assert.match(failure, fix)
    })
  }
})

test("a route's tls keys override proxy.tls, and routes to the same upstream can have different TLS options", async () => {
  const [first, second] = [authority.issue('first'), authority.issue('second')]
  const routes = [
    {
      path: '/second',
      upstreams: [requestingCert.url],
      tls: { client_cert: write(second.cert), client_key: write(second.key) },
    },
    { path: '/wrong', upstreams: [requestingCert.url], tls: { ca_cert: anotherCa } },
    { path: '/unverified', upstreams: [requestingCert.url], tls: { ca_cert: anotherCa, insecure_skip_verify: true } },
  ]
  const gateway = await startProxy(requestingCert.url, {
    flags: { ...verified, 'proxy.tls.client_cert': write(first.cert), 'proxy.tls.client_key': write(first.key) },
    env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) },
  })
  await checkBoth(gateway, /by first\./)
  await checkBoth(gateway, /by second\./, '/second')
  await checkBoth(gateway, badGateway, '/wrong')
  await checkBoth(gateway, /by first\./, '/unverified')
})

describe('a reload of the TLS files (SIGHUP)', () => {
  const [before, next] = [authority.issue('before'), authority.issue('next')]
  const paths = { ca: write(authority.cert), cert: write(before.cert), key: write(before.key) }
  const flags = {
    ...tlsEnabled,
    'proxy.tls.ca_cert': paths.ca,
    'proxy.tls.client_cert': paths.cert,
    'proxy.tls.client_key': paths.key,
  }

  async function reload(gateway: Gateway, expected: RegExp): Promise<string> {
    const start = gateway.log.length
    gateway.process.kill('SIGHUP')
    const { message } = await gateway.logged(
      (line) => gateway.log.indexOf(line) >= start && expected.test(line.message ?? ''),
    )
    return message!
  }

  test('after SIGHUP, uses a changed client certificate for new connections, and completes a request in flight on its old connection', async () => {
    const gateway = await startProxy(byName(requestingCert), { flags })
    await checkBoth(gateway, /by before\./)
    const unfinished = Promise.withResolvers<ServerResponse>()
    onUnfinished = unfinished.resolve
    const slow = openRaw(portOf(gateway))
    slow.send('GET /unfinished HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
    const response = await unfinished.promise
    await slow.until(/by before\./)

    writeFileSync(paths.cert, next.cert)
    writeFileSync(paths.key, next.key)
    await reload(gateway, /^configuration reloaded/)
    await checkBoth(gateway, /by next\./)
    response.end('whole')
    assert.match(await slow.closed, /by before\.[\s\S]*whole\r\n0\r\n\r\n$/)
  })

  test('after SIGHUP, keeps the current certificates and logs an error if a certificate file is invalid', async () => {
    const gateway = await startProxy(byName(requestingCert), { flags })
    await checkBoth(gateway, /by next\./)
    writeFileSync(paths.key, before.key)
    assert.match(await reload(gateway, /not reloaded/), /client_key/)
    writeFileSync(paths.ca, 'no certificate')
    assert.match(await reload(gateway, /not reloaded.*ca_cert/s), /the previous one stays/)
    await checkBoth(gateway, /by next\./)
  })
})
