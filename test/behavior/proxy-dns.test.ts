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
const names = join(directory, 'names.json')
const hook = new URL('../support/resolver-hook.ts', import.meta.url).href
const byName = { nodeArguments: ['--import', hook], env: { TEST_NAMES: names } }

const point = (...addresses: string[]) => writeFileSync(names, JSON.stringify({ 'es.test': addresses }))

describe('an upstream by a name', () => {
  test('whose address changes is found at the new one, when the old one closes, without a request lost', async () => {
    const first = await startUpstream((_request, response) => response.end('first'))
    const { port } = first
    await startUpstream((_request, response) => response.end('second'), { host: '127.0.0.2', port })
    point('127.0.0.1')
    const gateway = await startProxy(`http://es.test:${port}`, byName)
    const ask = async () => (await fetch(gateway.url, { headers: bob })).text()
    assert.equal(await ask(), 'first')
    point('127.0.0.2')
    assert.equal(await ask(), 'first', 'a connection that stands is used')
    first.server.close()
    first.server.closeIdleConnections()
    while ((await ask()) !== 'second');
  })

  test('with several addresses is found at one that answers', async () => {
    const { port } = await startUpstream((_request, response) => response.end('here'), { host: '127.0.0.3' })
    point('127.0.0.4', '127.0.0.3')
    const gateway = await startProxy(`http://es.test:${port}`, byName)
    assert.equal(await (await fetch(gateway.url, { headers: bob })).text(), 'here')
  })

  test('that nobody knows is 502, until somebody does', async () => {
    const { port } = await startUpstream((_request, response) => response.end('here'))
    point()
    const gateway = await startProxy(`http://es.test:${port}`, byName)
    const ask = () => fetch(gateway.url, { headers: bob })
    assert.equal((await ask()).status, 502)
    point('127.0.0.1')
    assert.equal((await ask()).status, 200)
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

test('an upstream at [::1], for requests and WebSockets', { skip: !hasIpv6 && 'there is no ::1' }, async () => {
  const upstream = await startUpstream(({ headers }, response) => response.end(headers.host), { host: '::1' })
  upstream.server.on('upgrade', (_request, stream) =>
    stream.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello'),
  )
  assert.match(upstream.url, /^http:\/\/\[::1\]:/)
  const gateway = await startProxy(upstream.url)
  for (const words of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
    const connection = openRaw(portOf(gateway))
    connection.send(['GET / HTTP/1.1', 'Host: es', 'Remote-User: bob', ...words, '', ''].join('\r\n'))
    await connection.until(/ 200 OK[\s\S]*es$| 101 [\s\S]*hello$/)
    connection.socket.destroy()
  }
})
