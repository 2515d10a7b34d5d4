import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { after, describe, test } from 'node:test'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'
import { authority, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startRawUpstream, startUpstream } from '../support/upstream.ts'
import { requestWebSocket } from '../support/web-socket.ts'

const upstream = await startRawUpstream()
const gateway = await startProxy(upstream.url)
const overTls = await startProxy(upstream.url, { flags: tlsFlags() })

const privateCookies = [
  '__Host-elastauth-session=evil; Path=/; Secure',
  '__host-Elastauth-login-3 =evil',
  '=elastauth=evil',
]
const upstreamCookies = ['sid=Fe26.2**\xe9; Path=/;  HttpOnly', 'a=elastauth']
const cookies = [
  privateCookies[0]!,
  upstreamCookies[0]!,
  privateCookies[1]!,
  upstreamCookies[1]!,
  privateCookies[2]!,
].map((cookie) => `Set-Cookie: ${cookie}`)

/** The head of an upstream's response that sets all of these cookies. */
const headOf = (status: string, ...headers: string[]) =>
  [`HTTP/1.1 ${status}`, ...cookies, ...headers, '', ''].join('\r\n')

function cookiesIn(text: string): string[] {
  return [...text.matchAll(/^set-cookie: (.*)\r$/gim)].map(([, value]) => value!)
}

describe("an upstream that sets elastauth's cookies", () => {
  test("drops elastauth's cookies from an informational and a final HTTP/1.1 response, and forwards the upstream's own cookies", async () => {
    upstream.respondWith((socket) =>
      socket.write(`${headOf('103 Early Hints')}${headOf('200 OK', 'Content-Length: 2')}ok`, 'latin1'),
    )
    const connection = openRaw(portOf(gateway))
    connection.send('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
    const text = await connection.closed
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 103', 'HTTP/1.1 200'])
    assert.deepEqual(cookiesIn(text), [...upstreamCookies, ...upstreamCookies])
  })

  test('drops all cookies in the trailers of an HTTP/1.1 response', async () => {
    upstream.respondWith((socket) => {
      const trailers = cookies.map((line) => `${line}\r\n`).join('')
      socket.write(
        `HTTP/1.1 200 OK\r\nTrailer: Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`,
      )
    })
    const connection = openRaw(portOf(gateway))
    connection.send('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nTE: trailers\r\nConnection: close\r\n\r\n')
    assert.deepEqual(cookiesIn(await connection.closed), [])
  })

  test("drops elastauth's cookies from an informational and a final HTTP/2 response, and forwards the upstream's own cookies", async () => {
    upstream.respondWith((socket) =>
      socket.write(`${headOf('103 Early Hints')}${headOf('200 OK', 'Content-Length: 2')}ok`, 'latin1'),
    )
    const session = connect(overTls.url, { ca: authority.cert })
    after(() => session.destroy())
    const stream = session.request({ ':path': '/', 'remote-user': 'bob' })
    const interim = once(stream, 'headers')
    const [final] = await once(stream, 'response')
    const [hints] = await interim
    assert.deepEqual([hints['set-cookie'], final['set-cookie']], [upstreamCookies, upstreamCookies])
    stream.resume()
  })

  test("drops elastauth's cookies from a 401 response that was buffered to re-issue the credential", async () => {
    upstream.respondWith((socket) => socket.write(`${headOf('401 Unauthorized', 'Content-Length: 2')}no`, 'latin1'))
    const connection = openRaw(portOf(gateway))
    connection.send('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
    const text = await connection.closed
    assert.match(text, /^HTTP\/1\.1 401 /)
    assert.deepEqual(cookiesIn(text), upstreamCookies)
  })

  test("drops elastauth's cookies from a response that rejects an upgrade", async () => {
    upstream.respondWith((socket) => socket.write(headOf('403 Forbidden', 'Content-Length: 0'), 'latin1'))
    const text = await requestWebSocket(gateway, '/').closed
    assert.match(text, /^HTTP\/1\.1 403 /)
    assert.deepEqual(cookiesIn(text), upstreamCookies)
  })

  test("drops elastauth's cookies from the 101 response to an upgrade", async () => {
    upstream.respondWith((socket) => {
      const upgradeHeaders = ['Connection: Upgrade, X-Hop', 'Upgrade: WebSocket', 'Sec-WebSocket-Accept: x', 'X-Hop: 1']
      socket.write(headOf('101 Switching Protocols', ...upgradeHeaders), 'latin1')
      socket.on('data', (bytes) => socket.write(bytes))
    })
    const connection = requestWebSocket(gateway, '/')
    const head = await connection.until(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n$/)
    assert.deepEqual(cookiesIn(head), upstreamCookies)
    assert.match(head, /^upgrade: WebSocket\r$/im)
    assert.match(head, /^connection: Upgrade\r$/im)
    assert.match(head, /^sec-websocket-accept: x\r$/im)
    assert.doesNotMatch(head, /x-hop/i)
    connection.send('\x00\xff\xfe')
    await connection.until(/\r\n\r\n\x00\xff\xfe$/)
    connection.socket.destroy()
  })
})

describe('an upstream of a route with auth: none cannot sign a visitor in as an attacker (session fixation)', async () => {
  const { idp, startProxy: startWithLogin } = await createOidcTestBed()
  let plantedCookies: string[] = []
  const assets = await startUpstream((_request, response) =>
    response.writeHead(200, ['Set-Cookie', plantedCookies]).end('ok'),
  )
  const routes = [{ path: '/assets', upstreams: [assets.url], auth: 'none' }]
  const { url } = await startWithLogin({}, { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) })

  test('a session cookie that an upstream sets does not sign a visitor in', async () => {
    const mallory = createUserAgent()
    await mallory.visit(`${url}/app`, 'bob')
    plantedCookies = [`${mallory.cookies(url)}; Path=/; Secure; HttpOnly`]
    assert.match(plantedCookies[0]!, /^__Host-elastauth-session=/)
    const visitor = createUserAgent()
    assert.equal((await visitor.request(`${url}/assets/logo.png`)).status, 200)
    assert.equal((await visitor.request(`${url}/app`)).status, 302)
  })

  test('a token cookie that an upstream sets does not sign a visitor in', async () => {
    plantedCookies = [`access_token=${await idp.sign()}; Path=/`, `id_token=${await idp.sign()}; Path=/`]
    const visitor = createUserAgent()
    assert.equal((await visitor.request(`${url}/assets/logo.png`)).status, 200)
    assert.equal((await visitor.request(`${url}/app`)).status, 302)
  })

  test(`login cookies that an upstream sets do not complete the attacker's login in the visitor's browser`, async () => {
    const mallory = createUserAgent()
    const { url: callback } = await mallory.visit(`${url}/app`, 'bob', (to) => to.includes('/callback'))
    plantedCookies = mallory
      .cookies(url)
      .split('; ')
      .map((cookie) => `${cookie}; Path=/; Secure; HttpOnly`)
    const visitor = createUserAgent()
    await visitor.request(`${url}/assets/logo.png`)
    const { status } = await visitor.request(callback)
    assert.equal(status, 400)
    assert.doesNotMatch(visitor.cookies(url), /elastauth-session/)
  })
})
