import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const bob = { 'Remote-User': 'bob' }
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
const namesFile = join(directory, 'names.json')
const hook = new URL('../support/resolver-hook.ts', import.meta.url).href
const withHook = { nodeArguments: ['--import', hook], env: { TEST_NAMES: namesFile } }

const setAddresses = (...addresses: string[]) => writeFileSync(namesFile, JSON.stringify({ 'es.test': addresses }))

describe('an upstream with a host name', () => {
  test("follows a change of the upstream's address once the old address closes its connections, without losing a request", async () => {
    const first = await startUpstream((_request, response) => response.end('first'))
    const { port } = first
    await startUpstream((_request, response) => response.end('second'), { host: '127.0.0.2', port })
    setAddresses('127.0.0.1')
    const gateway = await startProxy(`http://es.test:${port}`, withHook)
    const request = async () => (await fetch(gateway.url, { headers: bob })).text()
    assert.equal(await request(), 'first')
    setAddresses('127.0.0.2')
    assert.equal(await request(), 'first', 'an open connection is reused')
    first.server.close()
    first.server.closeIdleConnections()
    while ((await request()) !== 'second');
  })

  test("connects to the upstream's second address if the first one is unreachable", async () => {
    const { port } = await startUpstream((_request, response) => response.end('here'), { host: '127.0.0.3' })
    setAddresses('127.0.0.4', '127.0.0.3')
    const gateway = await startProxy(`http://es.test:${port}`, withHook)
    assert.equal(await (await fetch(gateway.url, { headers: bob })).text(), 'here')
  })

  test("responds with 502 while the upstream's name cannot be resolved, and recovers once the name resolves", async () => {
    const { port } = await startUpstream((_request, response) => response.end('here'))
    setAddresses()
    const gateway = await startProxy(`http://es.test:${port}`, withHook)
    const request = () => fetch(gateway.url, { headers: bob })
    assert.equal((await request()).status, 502)
    setAddresses('127.0.0.1')
    assert.equal((await request()).status, 200)
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

test('forwards requests and WebSockets to an upstream at [::1]', { skip: !hasIpv6 && 'there is no ::1' }, async () => {
  const upstream = await startUpstream(({ headers }, response) => response.end(headers.host), { host: '::1' })
  upstream.server.on('upgrade', (_request, stream) =>
    stream.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello'),
  )
  assert.match(upstream.url, /^http:\/\/\[::1\]:/)
  const gateway = await startProxy(upstream.url)
  for (const headers of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
    const connection = openRaw(portOf(gateway))
    connection.send(['GET / HTTP/1.1', 'Host: es', 'Remote-User: bob', ...headers, '', ''].join('\r\n'))
    await connection.until(/ 200 OK[\s\S]*es$| 101 [\s\S]*hello$/)
    connection.socket.destroy()
  }
})
