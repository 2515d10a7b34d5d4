import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { UpgradeResponse } from '../../../../src/server/http1/upgrade-response.ts'

const server = createServer()
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => server.close())

/** Sends an upgrade request. @returns the response object, and the client's connection with all that it has received */
async function requestUpgrade(text = '') {
  const upgrade = once(server, 'upgrade')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  client.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${text}`)
  const [request, socket, head] = await upgrade
  return { response: new UpgradeResponse(request, socket as Socket, head as Buffer), client }
}

async function readAll(client: Socket): Promise<string> {
  let text = ''
  for await (const chunk of client) text += chunk
  return text
}

const expected = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno'

for (const [what, text] of [
  ['with nothing after it', '\r\n'],
  ['with bytes after it', '\r\nbytes'],
  ['with a body that does not arrive', 'Content-Length: 5\r\n\r\n'],
] as const) {
  test(`sends a response to an upgrade request ${what}, closes the connection, and emits finish and close`, async () => {
    const { response, client } = await requestUpgrade(text)
    const events: string[] = []
    response.on('finish', () => events.push('finish')).on('close', () => events.push('close'))
    response.writeHead(403, ['Content-Length', '2'])
    response.end('no')
    assert.equal(await readAll(client), expected)
    if (!response.destroyed) await once(response, 'close')
    assert.deepEqual(events, ['finish', 'close'])
  })
}

test('the socket of an upgrade yields the bytes that follow the request', async () => {
  const { response, client } = await requestUpgrade('\r\nfirst')
  const [chunk] = await once(response.socket!, 'data')
  assert.equal(String(chunk), 'first')
  client.resetAndDestroy()
  await once(response, 'close')
})

test('the response to an upgrade emits drain when a client that has stopped reading reads again (back-pressure)', async () => {
  const { response, client } = await requestUpgrade('\r\n')
  response.writeHead(403, ['Content-Length', String(64 * 1024 * 1024)])
  for (let i = 0; i < 1024; i++) response.write(Buffer.alloc(64 * 1024))
  assert.ok(response.writableLength > 0)
  const drained = once(response, 'drain')
  client.resume()
  await drained
  response.end()
  await once(response, 'close')
  assert.ok(response.writableFinished)
})

test('the response to an upgrade emits only close if the client disconnects', async () => {
  const { response, client } = await requestUpgrade('\r\n')
  const closed = once(response, 'close')
  client.resetAndDestroy()
  await closed
  assert.deepEqual([response.destroyed, response.writableFinished], [true, false])
})
