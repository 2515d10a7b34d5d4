import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { createProviderFetch, type ProviderFetchOptions } from '../../../../src/providers/oidc/provider-fetch.ts'
import { createCertificateAuthority } from '../../../support/elasticsearch/certificates.ts'
import { keepAlive } from '../../../support/keep-alive.ts'

async function serve(listener: RequestListener) {
  const server = createServer(keepAlive, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function create(options: Partial<ProviderFetchOptions> = {}) {
  const providerFetch = createProviderFetch({ customHeaders: {}, timeoutMs: 60_000, allowHttp: false, ...options })
  after(() => providerFetch.close())
  return (url: string, request: { method?: string; headers?: Record<string, string>; body?: URLSearchParams } = {}) =>
    providerFetch.fetch(url, { method: 'GET', headers: {}, redirect: 'manual', body: undefined, ...request })
}

const unavailable = (reason: RegExp) => ({ code: 'provider_unavailable', message: reason })

test('a call to the provider sends a form with custom headers, and returns status, headers and body', async () => {
  const received: { request: IncomingMessage; body: string }[] = []
  const { url } = await serve(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    received.push({ request, body })
    response.writeHead(201, { 'Content-Type': 'application/json', 'Set-Cookie': ['a=1', 'b=2'] }).end('{"a":1}')
  })
  const response = await create({ customHeaders: { 'X-Tenant': 'blue', ACCEPT: 'text/html' } })(url, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: 'a b' }),
  })
  assert.deepEqual([response.status, await response.json()], [201, { a: 1 }])
  assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
  const [{ request, body }] = received as [(typeof received)[0]]
  assert.deepEqual(
    [body, request.headers['x-tenant'], request.headers.accept],
    ['token=a+b', 'blue', 'application/json'],
  )
})

test('a call to the provider returns a redirect without following it', async () => {
  const { url } = await serve((request, response) => {
    assert.equal(request.url, '/')
    response.writeHead(302, { Location: '/elsewhere' }).end()
  })
  assert.equal((await create()(url)).status, 302)
})

test('a call to the provider returns a response without a body', async () => {
  const { url } = await serve((_request, response) => response.writeHead(204).end())
  assert.equal((await create()(url)).status, 204)
})

describe('a call is aborted after oidc.timeout', () => {
  const servers: [what: string, listener: RequestListener][] = [
    ['no response', () => {}],
    ['headers and no body', (_request, response) => response.writeHead(200).write('{')],
    [
      'an endless body, sent slowly',
      (_request, response) => {
        const timer = setInterval(() => response.write(' '), 50)
        response.on('close', () => clearInterval(timer))
      },
    ],
  ]
  for (const [what, chunk] of [
    ['endless headers, sent slowly', 'x: y\r\n'],
    ['endless 103 responses', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'],
  ] as const) {
    test(`a call is aborted after oidc.timeout when the provider sends ${what}`, async () => {
      const { server, url } = await serve(() => {})
      server.removeAllListeners('connection').on('connection', (socket: Socket) => {
        socket.on('error', () => {})
        if (chunk.startsWith('x')) socket.write('HTTP/1.1 200 OK\r\n')
        const timer = setInterval(() => socket.write(chunk), 20)
        socket.on('close', () => clearInterval(timer))
      })
      await assert.rejects(create({ timeoutMs: 500 })(url), unavailable(/did not respond within 500 ms/))
    })
  }
  for (const [what, listener] of servers) {
    test(`a call is aborted after oidc.timeout when the provider sends ${what}`, async () => {
      const { url } = await serve(listener)
      await assert.rejects(create({ timeoutMs: 500 })(url), unavailable(/did not respond within 500 ms/))
    })
  }
})

describe('a call to the provider is aborted', () => {
  const servers: [what: string, listener: RequestListener, reason: RegExp][] = [
    ['the connection is reset', (request) => request.socket.destroy(), /cannot be reached/],
    [
      'the response body is one byte longer than 1 MiB',
      (_request, response) => response.end(Buffer.alloc(1024 * 1024 + 1)),
      /more than 1048576 bytes/,
    ],
    [
      'the response headers have 64 KiB',
      (_request, response) => response.setHeader('X', 'x'.repeat(65_536)).end(),
      /cannot be reached/,
    ],
    [
      'the response body is shorter than Content-Length',
      (_request, response) => response.writeHead(200, { 'Content-Length': 5 }).end('{}'),
      /./,
    ],
  ]
  for (const [what, listener, reason] of servers) {
    test(`a call to the provider is aborted when ${what}`, async () => {
      const { url } = await serve(listener)
      await assert.rejects(create()(url), unavailable(reason))
    })
  }

  test('a call to the provider is aborted when the body has 1 GB, and most of the body is never read', async () => {
    let sent = 0
    const { url } = await serve((_request, response) => {
      const chunk = Buffer.alloc(64 * 1024, ' ')
      const pump = () => {
        while (sent < 1e9 && !response.destroyed) {
          sent += chunk.length
          if (!response.write(chunk)) return void response.once('drain', pump)
        }
      }
      pump()
    })
    await assert.rejects(create()(url), unavailable(/more than/))
    assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes`)
  })

  test('a call to the provider is rejected when no server listens on the port', async () => {
    await assert.rejects(create()('http://127.0.0.1:1/'), unavailable(/ECONNREFUSED/))
  })
})

describe('plain HTTP', () => {
  for (const url of [
    'http://id.example/',
    'http://10.0.0.1/',
    'http://localhost.example/',
    'http://127.evil.example/',
    'file:///etc/passwd',
  ])
    test(`does not call the provider at ${url}, which is neither https nor on this machine`, async () =>
      assert.rejects(create()(url), unavailable(/is not https/)))

  test('calls the provider at a plain HTTP URL on this machine', async () => {
    const { url } = await serve((_request, response) => response.end('ok'))
    for (const host of ['127.0.0.1', 'localhost'])
      assert.equal(await (await create()(url.replace('127.0.0.1', host))).text(), 'ok')
  })
})

test('the 257th concurrent call to the provider is rejected at once, and the other calls get their responses', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { url } = await serve(async (_request, response) => {
    await released
    response.end('ok')
  })
  const fetch = create()
  const pending = Array.from({ length: 256 }, () => fetch(url))
  await assert.rejects(fetch(url), unavailable(/wait for the provider already/))
  release()
  for (const response of await Promise.all(pending)) assert.equal(response.status, 200)
  assert.equal((await fetch(url)).status, 200)
})

describe('https', async () => {
  const authority = createCertificateAuthority()
  const server = createSecureServer(authority.issue('localhost'), (_request, response) => response.end('ok'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `https://localhost:${port}/`

  test('rejects a provider certificate of a private CA that is not configured', async () => {
    await assert.rejects(create()(url), unavailable(/cannot be reached: .*(CERT|ISSUER|SIGNED|VERIFY)/))
  })

  test('accepts a provider certificate of the configured CA', async () => {
    assert.equal(await (await create({ ca: authority.cert })(url)).text(), 'ok')
  })

  test('rejects a provider certificate for another name', async () => {
    const other = createSecureServer(authority.issue('localhost'), (_request, response) => response.end('ok'))
    other.listen(0, '127.0.0.3')
    await once(other, 'listening')
    const fetch = create({ ca: authority.cert })
    const address = `https://127.0.0.3:${(other.address() as AddressInfo).port}/`
    await assert.rejects(fetch(address), unavailable(/ERR_TLS_CERT_ALTNAME_INVALID/))
    other.close()
  })

  test('a renewal applies another CA to new calls to the provider, and only when it is committed', async () => {
    const other = createCertificateAuthority()
    const providerFetch = createProviderFetch({
      customHeaders: {},
      timeoutMs: 60_000,
      allowHttp: false,
      ca: other.cert,
    })
    after(() => providerFetch.close())
    const options = { method: 'GET', headers: {}, redirect: 'manual', body: undefined } as const
    await assert.rejects(providerFetch.fetch(url, options), unavailable(/cannot be reached/))
    const commit = providerFetch.prepareRenewal(authority.cert)
    await assert.rejects(providerFetch.fetch(url, options), unavailable(/cannot be reached/))
    commit()
    assert.equal((await providerFetch.fetch(url, options)).status, 200)
  })

  test('calls the provider through an HTTP proxy with CONNECT', async () => {
    const tunnels: string[] = []
    const { server: proxy, url: httpProxy } = await serve(() => {})
    proxy.on('connect', (request: IncomingMessage, socket: Socket) => {
      tunnels.push(request.url ?? '')
      const upstream = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        socket.pipe(upstream).pipe(socket)
      })
      socket.on('error', () => {})
      upstream.on('error', () => {})
    })
    assert.equal(await (await create({ httpProxy, ca: authority.cert })(url)).text(), 'ok')
    assert.deepEqual(tunnels, [`localhost:${port}`])
  })
})
