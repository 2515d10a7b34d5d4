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

/** Says which name it was asked for, and whose certificate it was shown. */
const answer: RequestListener = ({ url, socket }, response) => {
  if (url === '/held') {
    response.write(described(socket))
    hold(response)
  } else response.end(described(socket))
}
let hold: (response: ServerResponse) => void = () => {}

function described(stream: Socket): string {
  const socket = stream as TLSSocket
  return `asked for ${socket.servername || 'none'} by ${socket.getPeerCertificate().subject?.CN ?? 'nobody'}.`
}

/** An https upstream that speaks WebSocket, too. */
async function startTls(pair: Certificate, asksForCertificate = false): Promise<Upstream> {
  const upstream = await startUpstream(answer, {
    tls: { ...pair, ca: authority.cert, requestCert: asksForCertificate, rejectUnauthorized: asksForCertificate },
  })
  upstream.server.on('upgrade', ({ socket }, stream) => {
    stream.on('error', () => {})
    stream.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${described(socket)}`,
    )
  })
  return upstream
}

const byName = ({ port }: Upstream) => `https://localhost:${port}`
const on = { 'proxy.tls.enabled': 'true' }
const verified = { ...on, 'proxy.tls.ca_cert': ca }

/** A request and a WebSocket, each on a connection of its own, in the name of a Host that is the client's. */
async function askBoth(gateway: Gateway, expected: RegExp, path = '/'): Promise<void> {
  for (const words of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
    const connection = openRaw(portOf(gateway))
    const head = [`GET ${path} HTTP/1.1`, 'Host: evil.example.com', 'Remote-User: bob', ...words, '', '']
    connection.send(head.join('\r\n'))
    const text = await connection.until(/asked for .*\.|"request_id":.*\}/)
    assert.match(text, expected)
    assert.equal(text.match(/^HTTP/gm)?.length, 1, 'one answer')
    connection.socket.destroy()
  }
}

/** What was logged of `askBoth` in vain. */
async function faultsOf(gateway: Gateway): Promise<string[]> {
  const faults = () => gateway.log.filter((line) => line['http.response.status_code'] === 502)
  await gateway.logged(() => faults().length === 2)
  return faults().map(({ message }) => message!)
}

const plain = await startTls(own)
const asking = await startTls(own, true)
const refused = /^HTTP\/1.1 502 [\s\S]*"upstream_unavailable"/

describe('an https upstream is verified by its own name, whatever Host the client sends', () => {
  const internal = authority.issue('upstream', { names: ['es.internal'] })
  const rows: [what: string, url: () => string, flags: Record<string, string>, expected: RegExp][] = [
    ['its name', () => byName(plain), verified, /asked for localhost by/],
    ['its address', () => plain.url, verified, /asked for none by/],
    [
      'nothing, where that is wanted',
      () => byName(plain),
      { ...on, 'proxy.tls.insecure_skip_verify': 'true' },
      /asked/,
    ],
  ]
  for (const [what, url, flags, expected] of rows) {
    test(`by ${what}`, async () => askBoth(await startProxy(url(), { flags }), expected))
  }

  test('by the server_name of its route', async () => {
    const upstream = await startTls(internal)
    const routes = [{ upstreams: [upstream.url], tls: { ca_cert: ca, server_name: 'es.internal' } }]
    const gateway = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })
    await askBoth(gateway, /asked for es\.internal by/)
  })
})

describe('an https upstream that cannot be trusted is 502, and the log says what is wrong and the fix', () => {
  const rows: [what: string, pair: Certificate, fix: RegExp][] = [
    ['an expired certificate', authority.issue('upstream', { expired: true }), /expired.*: renew it/],
    [
      'a certificate for another name',
      authority.issue('upstream', { names: ['kibana.internal'] }),
      /kibana\.internal.*server_name/,
    ],
    ['a self-signed certificate', createSelfSigned('upstream'), /self-signed.*ca_cert/],
    ['a certificate of an unknown authority', createCertificateAuthority().issue('upstream'), /ca_cert/],
  ]
  for (const [what, pair, fix] of rows) {
    test(what, async () => {
      const gateway = await startProxy(byName(await startTls(pair)), { flags: verified })
      await askBoth(gateway, refused)
      for (const fault of await faultsOf(gateway)) assert.match(fault, fix)
    })
  }

  test('https to a server that speaks http', async () => {
    const { port } = await startUpstream(answer)
    const gateway = await startProxy(`https://localhost:${port}`, { flags: verified })
    await askBoth(gateway, refused)
    for (const fault of await faultsOf(gateway)) assert.match(fault, /does not speak TLS.*http:\/\//)
  })
})

describe('an upstream that asks for a client certificate', () => {
  const pairOf = ({ cert, key }: Certificate) => ({
    'proxy.tls.client_cert': write(cert),
    'proxy.tls.client_key': write(key),
  })

  test('gets the one that is configured', async () => {
    const gateway = await startProxy(byName(asking), { flags: { ...verified, ...pairOf(authority.issue('gateway')) } })
    await askBoth(gateway, /by gateway\./)
  })

  const rows: [what: string, flags: () => Record<string, string>, fix: RegExp][] = [
    ['none', () => ({}), /client certificate.*client_cert/],
    [
      'one of an authority it does not know',
      () => pairOf(createCertificateAuthority().issue('x')),
      /missing or rejected.*client_cert/,
    ],
    ['an expired one', () => pairOf(authority.issue('x', { expired: true })), /missing or rejected.*client_cert/],
  ]
  for (const [what, flags, fix] of rows) {
    test(`and gets ${what}: 502, and the log says so`, async () => {
      const gateway = await startProxy(byName(asking), { flags: { ...verified, ...flags() } })
      await askBoth(gateway, refused)
      for (const fault of await faultsOf(gateway)) assert.match(fault, fix)
    })
  }
})

/** A server that says by an alert what it has against a client: Node's own only closes. */
async function startStrict(): Promise<Upstream['url']> {
  const files = ['-cert', write(own.cert), '-key', write(own.key), '-CAfile', ca]
  const args = ['s_server', '-accept', '127.0.0.1:0', ...files, '-Verify', '1', '-verify_return_error', '-www']
  const child = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'ignore'] })
  after(() => child.kill())
  let said = ''
  for await (const chunk of child.stdout) {
    said += chunk
    const [, port] = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(said) ?? []
    if (port !== undefined) return `https://localhost:${port}`
  }
  throw new Error(`openssl ended: ${said}`)
}

describe('an upstream’s alert is what the log names', { skip: !hasOpenssl && 'there is no openssl' }, () => {
  const expired = authority.issue('x', { expired: true })
  const rows: [what: string, pair: Certificate | undefined, fix: RegExp][] = [
    ['that it wants a client certificate', undefined, /certificate required.*requires a client certificate/],
    ['that it refuses ours', expired, /certificate expired.*rejects our client certificate/],
  ]
  for (const [what, pair, fix] of rows) {
    test(what, async () => {
      const client = pair && { 'proxy.tls.client_cert': write(pair.cert), 'proxy.tls.client_key': write(pair.key) }
      const gateway = await startProxy(await startStrict(), { flags: { ...verified, ...client } })
      await askBoth(gateway, refused)
      for (const fault of await faultsOf(gateway)) assert.match(fault, fix)
    })
  }
})

test('a route’s tls stands in place of proxy.tls, key by key, and one upstream may be reached in two ways', async () => {
  const [first, second] = [authority.issue('first'), authority.issue('second')]
  const routes = [
    {
      path: '/second',
      upstreams: [asking.url],
      tls: { client_cert: write(second.cert), client_key: write(second.key) },
    },
    { path: '/wrong', upstreams: [asking.url], tls: { ca_cert: anotherCa } },
    { path: '/blind', upstreams: [asking.url], tls: { ca_cert: anotherCa, insecure_skip_verify: true } },
  ]
  const gateway = await startProxy(asking.url, {
    flags: { ...verified, 'proxy.tls.client_cert': write(first.cert), 'proxy.tls.client_key': write(first.key) },
    env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) },
  })
  await askBoth(gateway, /by first\./)
  await askBoth(gateway, /by second\./, '/second')
  await askBoth(gateway, refused, '/wrong')
  await askBoth(gateway, /by first\./, '/blind')
})

describe('SIGHUP', () => {
  const [before, next] = [authority.issue('before'), authority.issue('next')]
  const paths = { ca: write(authority.cert), cert: write(before.cert), key: write(before.key) }
  const flags = {
    ...on,
    'proxy.tls.ca_cert': paths.ca,
    'proxy.tls.client_cert': paths.cert,
    'proxy.tls.client_key': paths.key,
  }

  async function hangUp(gateway: Gateway, expected: RegExp): Promise<string> {
    const seen = gateway.log.length
    gateway.process.kill('SIGHUP')
    const { message } = await gateway.logged(
      (line) => gateway.log.indexOf(line) >= seen && expected.test(line.message ?? ''),
    )
    return message!
  }

  test('new connections show a changed client certificate; a request under way ends on its old one', async () => {
    const gateway = await startProxy(byName(asking), { flags })
    await askBoth(gateway, /by before\./)
    const held = Promise.withResolvers<ServerResponse>()
    hold = held.resolve
    const slow = openRaw(portOf(gateway))
    slow.send('GET /held HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
    const response = await held.promise
    await slow.until(/by before\./)

    writeFileSync(paths.cert, next.cert)
    writeFileSync(paths.key, next.key)
    await hangUp(gateway, /^configuration reloaded/)
    await askBoth(gateway, /by next\./)
    response.end('whole')
    assert.match(await slow.closed, /by before\.[\s\S]*whole\r\n0\r\n\r\n$/)
  })

  test('a broken file keeps what stands, and says so', async () => {
    const gateway = await startProxy(byName(asking), { flags })
    await askBoth(gateway, /by next\./)
    writeFileSync(paths.key, before.key)
    assert.match(await hangUp(gateway, /not reloaded/), /client_key/)
    writeFileSync(paths.ca, 'no certificate')
    assert.match(await hangUp(gateway, /not reloaded.*ca_cert/s), /the old one stays/)
    await askBoth(gateway, /by next\./)
  })
})
