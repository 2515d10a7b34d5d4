import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setImmediate as nextTick } from 'node:timers/promises'
import { createBody, hasBody, waitForBody } from '../../../src/proxy/body.ts'
import { openRaw, type RawConnection } from '../../support/raw-http.ts'

/** A limit that no pause of a busy machine reaches, for tests that do not wait for it. */
const longMs = 60_000

test('hasBody returns whether a request has a body according to its framing headers', () => {
  const of = (headers: Record<string, string>) => hasBody({ headers } as unknown as IncomingMessage)
  assert.deepEqual([of({}), of({ 'content-length': '0' })], [false, false])
  assert.deepEqual([of({ 'content-length': '1' }), of({ 'transfer-encoding': 'chunked' })], [true, true])
})

describe('a request body', () => {
  const server = createServer({ keepAliveTimeout: longMs })
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

  /** Sends a POST with the start of its body, and resolves to the server's request and response. */
  async function receive(bytes: string, framing = 'Content-Length: 10'): Promise<[IncomingMessage, ServerResponse]> {
    const request = once(server, 'request') as unknown as Promise<[IncomingMessage, ServerResponse]>
    client.send(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n${bytes}`)
    return request
  }

  test('streams a request body completely', async () => {
    const [request] = await receive('01234')
    const read = text(createBody(request, longMs))
    client.send('56789')
    assert.equal(await read, '0123456789')
  })

  test('waits for the first bytes of a body, and then streams it completely', async () => {
    const [request] = await receive('')
    let hasArrived = false
    const waited = waitForBody(request, longMs).then(() => {
      hasArrived = true
    })
    await nextTick()
    assert.equal(hasArrived, false)
    client.send('01234')
    await waited
    const read = text(createBody(request, longMs))
    client.send('56789')
    assert.equal(await read, '0123456789')
  })

  test('stops waiting for an empty body, whether its end arrives before or during the wait', async () => {
    for (const isEarly of [true, false]) {
      const [request, response] = await receive(isEarly ? '0\r\n\r\n' : '', 'Transfer-Encoding: chunked')
      while (isEarly && !request.complete) await nextTick()
      const waited = waitForBody(request, longMs)
      if (!isEarly) client.send('0\r\n\r\n')
      await waited
      assert.equal(await text(createBody(request, longMs)), '')
      response.end()
    }
  })

  test('stops waiting for a body if the client sends nothing in time, or closes the connection before or during the wait', async () => {
    const [request] = await receive('')
    await assert.rejects(waitForBody(request, 50), { name: 'GatewayError', code: 'request_timeout' })
    const waited = waitForBody(request, longMs)
    client.socket.destroy()
    await assert.rejects(waited, { name: 'GatewayError', code: 'client_closed' })
    await assert.rejects(waitForBody(request, longMs), { name: 'GatewayError', code: 'client_closed' })
  })

  test('does not consume a body before its stream is read, so that a second stream can be created for a retry', async () => {
    const [request] = await receive('0123456789')
    createBody(request, longMs).destroy()
    assert.equal(await text(createBody(request, longMs)), '0123456789')
  })

  test('destroying the request body stream leaves the connection usable for the response and the next request', async () => {
    const [request, response] = await receive('01234')
    const body = createBody(request, longMs)
    body.resume()
    await once(body, 'data')
    body.destroy()
    response.end('no')
    await client.until(/no$/)
    client.send('56789')
    await receive('')
  })

  test('fails the stream of a body with client_closed if the client closes the connection', async () => {
    const [request] = await receive('01234')
    const read = text(createBody(request, longMs))
    client.socket.destroy()
    await assert.rejects(read, { name: 'GatewayError', code: 'client_closed' })
  })

  test('fails the stream of a body with request_timeout if the client stops sending', async () => {
    const [request] = await receive('01234')
    await assert.rejects(text(createBody(request, 50)), { name: 'GatewayError', code: 'request_timeout' })
  })

  test('does not time out a body while its reader applies back-pressure', async (t) => {
    const length = 1_000_000
    const received = once(server, 'request') as unknown as Promise<[IncomingMessage]>
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`)
    const [request] = await received
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const body = createBody(request, 20)
    body.read(0)
    await once(request, 'pause')
    for (let i = 0; i < 3; i++) t.mock.timers.tick(20)
    assert.equal(body.destroyed, false)
    t.mock.timers.reset()
    assert.equal((await text(body)).length, length)
  })

  test('leaves the timeout of an idle connection as it is after a response that precedes the rest of the body', async () => {
    const [request, response] = await receive('0', 'Content-Length: 3')
    const body = createBody(request, longMs)
    await once(body, 'readable')
    response.end()
    await once(response, 'finish')
    const { timeout } = request.socket
    assert.ok(timeout! > 0)
    body.destroy()
    await once(body, 'close')
    assert.equal(request.socket.timeout, timeout)
  })
})
