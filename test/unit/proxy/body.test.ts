import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createBody, hasBody, waitForBody } from '../../../src/proxy/body.ts'
import { openRaw, type RawConnection } from '../../support/raw-http.ts'

test('a request has a body when its framing says so', () => {
  const of = (headers: Record<string, string>) => hasBody({ headers } as unknown as IncomingMessage)
  assert.deepEqual([of({}), of({ 'content-length': '0' })], [false, false])
  assert.deepEqual([of({ 'content-length': '1' }), of({ 'transfer-encoding': 'chunked' })], [true, true])
})

describe('a body', () => {
  const server = createServer()
  let client: RawConnection

  beforeEach(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    client = openRaw((server.address() as AddressInfo).port)
  })
  afterEach(async () => {
    client.socket.destroy()
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })

  /** The server's side of a request whose first bytes are these. */
  async function receive(bytes: string, framing = 'Content-Length: 10'): Promise<[IncomingMessage, ServerResponse]> {
    const request = once(server, 'request') as unknown as Promise<[IncomingMessage, ServerResponse]>
    client.send(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n${bytes}`)
    return request
  }

  test('is the request’s, whole', async () => {
    const [request] = await receive('01234')
    const read = text(createBody(request, 5000))
    client.send('56789')
    assert.equal(await read, '0123456789')
  })

  test('is waited for until the first of it is there, and then is whole', async () => {
    const [request] = await receive('')
    let isThere = false
    const waited = waitForBody(request, 5000).then(() => {
      isThere = true
    })
    await turn()
    assert.equal(isThere, false)
    client.send('01234')
    await waited
    const read = text(createBody(request, 5000))
    client.send('56789')
    assert.equal(await read, '0123456789')
  })

  test('that turns out empty is there, too, be it read before or after somebody waits for it', async () => {
    for (const isEarly of [true, false]) {
      const [request, response] = await receive(isEarly ? '0\r\n\r\n' : '', 'Transfer-Encoding: chunked')
      while (isEarly && !request.complete) await turn()
      const waited = waitForBody(request, 5000)
      if (!isEarly) client.send('0\r\n\r\n')
      await waited
      assert.equal(await text(createBody(request, 5000)), '')
      response.end()
    }
  })

  test('is waited for in vain where the client leaves or has left, or is silent', async () => {
    const [request] = await receive('')
    await assert.rejects(waitForBody(request, 50), { name: 'GatewayError', code: 'request_timeout' })
    const waited = waitForBody(request, 5000)
    client.socket.destroy()
    await assert.rejects(waited, { name: 'GatewayError', code: 'client_closed' })
    await assert.rejects(waitForBody(request, 5000), { name: 'GatewayError', code: 'client_closed' })
  })

  test('is left alone until somebody reads it, so that a second one can be made', async () => {
    const [request] = await receive('0123456789')
    createBody(request, 5000).destroy()
    assert.equal(await text(createBody(request, 5000)), '0123456789')
  })

  test('that is not wanted any more leaves the connection good for an answer and the next request', async () => {
    const [request, response] = await receive('01234')
    const body = createBody(request, 5000)
    body.resume()
    await once(body, 'data')
    body.destroy()
    response.end('no')
    await client.until(/no$/)
    client.send('56789')
    await receive('')
  })

  test('whose client leaves fails', async () => {
    const [request] = await receive('01234')
    const read = text(createBody(request, 5000))
    client.socket.destroy()
    await assert.rejects(read, { name: 'GatewayError', code: 'client_closed' })
  })

  test('whose client falls silent fails', async () => {
    const [request] = await receive('01234')
    await assert.rejects(text(createBody(request, 50)), { name: 'GatewayError', code: 'request_timeout' })
  })

  test('that its reader does not take is not the client’s silence', async () => {
    const length = 1_000_000
    const asked = once(server, 'request') as unknown as Promise<[IncomingMessage]>
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`)
    const [request] = await asked
    const body = createBody(request, 20)
    body.read(0)
    await once(request, 'pause')
    for (let i = 0; i < 3; i++) request.emit('timeout', request.socket)
    assert.equal(body.destroyed, false)
    assert.equal((await text(body)).length, length)
  })
})
