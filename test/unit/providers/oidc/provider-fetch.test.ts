import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { createProviderFetch, type ProviderFetchOptions } from '../../../../src/providers/oidc/provider-fetch.ts'
import { createCertificateAuthority } from '../../../support/elasticsearch/certificates.ts'

async function serve(answer: RequestListener) {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function create(options: Partial<ProviderFetchOptions> = {}) {
  const own = createProviderFetch({ customHeaders: {}, timeoutMs: 10_000, allowHttp: false, ...options })
  after(() => own.close())
  return (url: string, more: { method?: string; headers?: Record<string, string>; body?: URLSearchParams } = {}) =>
    own.fetch(url, { method: 'GET', headers: {}, redirect: 'manual', body: undefined, ...more })
}

const unavailable = (reason: RegExp) => ({ code: 'provider_unavailable', message: reason })

test('a form goes out, an answer comes back', async () => {
  const seen: { request: IncomingMessage; body: string }[] = []
  const { url } = await serve(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    seen.push({ request, body })
    response.writeHead(201, { 'Content-Type': 'application/json', 'Set-Cookie': ['a=1', 'b=2'] }).end('{"a":1}')
  })
  const response = await create({ customHeaders: { 'X-Tenant': 'blue', ACCEPT: 'text/html' } })(url, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: 'a b' }),
  })
  assert.deepEqual([response.status, await response.json()], [201, { a: 1 }])
  assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
  const [{ request, body }] = seen as [(typeof seen)[0]]
  assert.deepEqual(
    [body, request.headers['x-tenant'], request.headers.accept],
    ['token=a+b', 'blue', 'application/json'],
  )
})

test('a redirect is an answer, and nobody follows it', async () => {
  const { url } = await serve((request, response) => {
    assert.equal(request.url, '/')
    response.writeHead(302, { Location: '/elsewhere' }).end()
  })
  assert.equal((await create()(url)).status, 302)
})

test('an answer without a body', async () => {
  const { url } = await serve((_request, response) => response.writeHead(204).end())
  assert.equal((await create()(url)).status, 204)
})

describe('given up after oidc.timeout:', () => {
  const servers: [what: string, answer: RequestListener][] = [
    ['no answer', () => {}],
    ['a head and no body', (_request, response) => response.writeHead(200).write('{')],
    [
      'a body that trickles',
      (_request, response) => {
        const timer = setInterval(() => response.write(' '), 50)
        response.on('close', () => clearInterval(timer))
      },
    ],
  ]
  for (const [what, piece] of [
    ['a head that trickles', 'x: y\r\n'],
    ['one 103 after the other', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'],
  ] as const) {
    test(what, async () => {
      const { server, url } = await serve(() => {})
      server.removeAllListeners('connection').on('connection', (socket: Socket) => {
        socket.on('error', () => {})
        if (piece.startsWith('x')) socket.write('HTTP/1.1 200 OK\r\n')
        const timer = setInterval(() => socket.write(piece), 20)
        socket.on('close', () => clearInterval(timer))
      })
      await assert.rejects(create({ timeoutMs: 500 })(url), unavailable(/did not respond within 500 ms/))
    })
  }
  for (const [what, answer] of servers) {
    test(what, async () => {
      const { url } = await serve(answer)
      await assert.rejects(create({ timeoutMs: 500 })(url), unavailable(/did not respond within 500 ms/))
    })
  }
})

describe('given up:', () => {
  const servers: [what: string, answer: RequestListener, reason: RegExp][] = [
    ['a cut connection', (request) => request.socket.destroy(), /cannot be reached/],
    [
      '1 MiB and a byte',
      (_request, response) => response.end(Buffer.alloc(1024 * 1024 + 1)),
      /more than 1048576 bytes/,
    ],
    [
      'a head of 64 KiB',
      (_request, response) => response.setHeader('X', 'x'.repeat(65_536)).end(),
      /cannot be reached/,
    ],
    [
      'something else than it said',
      (_request, response) => response.writeHead(200, { 'Content-Length': 5 }).end('{}'),
      /./,
    ],
  ]
  for (const [what, answer, reason] of servers) {
    test(what, async () => {
      const { url } = await serve(answer)
      await assert.rejects(create()(url), unavailable(reason))
    })
  }

  test('1 GB that keeps coming: most of it is never read', async () => {
    let sent = 0
    const { url } = await serve((_request, response) => {
      const piece = Buffer.alloc(64 * 1024, ' ')
      const pump = () => {
        while (sent < 1e9 && !response.destroyed) {
          sent += piece.length
          if (!response.write(piece)) return void response.once('drain', pump)
        }
      }
      pump()
    })
    await assert.rejects(create()(url), unavailable(/more than/))
    assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes`)
  })

  test('a port where nobody listens', async () => {
    await assert.rejects(create()('http://127.0.0.1:1/'), unavailable(/ECONNREFUSED/))
  })
})

describe('without https', () => {
  for (const url of [
    'http://id.example/',
    'http://10.0.0.1/',
    'http://localhost.example/',
    'http://127.evil.example/',
    'file:///etc/passwd',
  ])
    test(`${url} is not called`, async () => assert.rejects(create()(url), unavailable(/is not https/)))

  test('is allowed to this machine', async () => {
    const { url } = await serve((_request, response) => response.end('ok'))
    for (const host of ['127.0.0.1', 'localhost'])
      assert.equal(await (await create()(url.replace('127.0.0.1', host))).text(), 'ok')
  })
})

test('calls beyond 256 are refused at once, and those that wait get their answers', async () => {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const { url } = await serve(async (_request, response) => {
    await opened
    response.end('ok')
  })
  const fetch = create({ timeoutMs: 10_000 })
  const waiting = Array.from({ length: 256 }, () => fetch(url))
  await assert.rejects(fetch(url), unavailable(/wait for the provider already/))
  open()
  for (const response of await Promise.all(waiting)) assert.equal(response.status, 200)
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

  test('by the platform’s authorities alone a private one is refused', async () => {
    await assert.rejects(create()(url), unavailable(/cannot be reached: .*(CERT|ISSUER|SIGNED|VERIFY)/))
  })

  test('by the configured one it is trusted', async () => {
    assert.equal(await (await create({ ca: authority.cert })(url)).text(), 'ok')
  })

  test('a certificate for another name is refused', async () => {
    const other = createSecureServer(authority.issue('localhost'), (_request, response) => response.end('ok'))
    other.listen(0, '127.0.0.3')
    await once(other, 'listening')
    const fetch = create({ ca: authority.cert })
    const address = `https://127.0.0.3:${(other.address() as AddressInfo).port}/`
    await assert.rejects(fetch(address), unavailable(/ERR_TLS_CERT_ALTNAME_INVALID/))
    other.close()
  })

  test('the authority can be another one later', async () => {
    const other = createCertificateAuthority()
    const own = createProviderFetch({ customHeaders: {}, timeoutMs: 2000, allowHttp: false, ca: other.cert })
    after(() => own.close())
    const options = { method: 'GET', headers: {}, redirect: 'manual', body: undefined } as const
    await assert.rejects(own.fetch(url, options), unavailable(/cannot be reached/))
    own.replaceCa(authority.cert)
    assert.equal((await own.fetch(url, options)).status, 200)
  })

  test('by way of an HTTP proxy, which only passes it on', async () => {
    const tunnels: string[] = []
    const { server: proxy, url: httpProxy } = await serve(() => {})
    proxy.on('connect', (request: IncomingMessage, socket: Socket) => {
      tunnels.push(request.url ?? '')
      const onward = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      socket.on('error', () => {})
      onward.on('error', () => {})
    })
    assert.equal(await (await create({ httpProxy, ca: authority.cert })(url)).text(), 'ok')
    assert.deepEqual(tunnels, [`localhost:${port}`])
  })
})
