import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTick } from 'node:timers/promises'
import { ResponseWriter } from '../../../src/proxy/response-writer.ts'

/** A response that records its system calls: `write` gets one buffer, `writev` several. */
function createRecordedResponse() {
  const calls: Buffer[][] = []
  const wire = new Writable({
    decodeStrings: true,
    write(chunk, _, done) {
      calls.push([chunk])
      done()
    },
    writev(chunks, done) {
      calls.push(chunks.map(({ chunk }) => chunk))
      done()
    },
  })
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.sendDate = false
  response.assignSocket(wire as Socket)
  const body = () => Buffer.concat(calls.flat()).toString('latin1').split('\r\n\r\n').slice(1).join('\r\n\r\n')
  return { response, calls, body }
}

test('writes a small complete response with one system call, byte for byte', async () => {
  const { response, calls, body } = createRecordedResponse()
  const writer = new ResponseWriter(response)
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  writer.writeHead(200, '', ['Content-Length', '256'])
  writer.write(bytes)
  writer.end()
  await nextTick()
  assert.deepEqual(
    calls.map((buffers) => buffers.length),
    [1],
  )
  assert.equal(body(), bytes.toString('latin1'))
})

test('writes the response head without waiting for a delayed body, and the first chunk without waiting for the next', async () => {
  const { response, body, calls } = createRecordedResponse()
  const writer = new ResponseWriter(response)
  writer.writeHead(200, '', ['Content-Length', '6'])
  await nextTick()
  assert.equal(calls.length, 1)
  writer.write(Buffer.from('abc'))
  await nextTick()
  assert.equal(body(), 'abc')
  writer.write(Buffer.from('def'))
  writer.end()
  await nextTick()
  assert.equal(body(), 'abcdef')
})

test('writes every byte of a response head unchanged before a delayed body', async () => {
  const { response, calls } = createRecordedResponse()
  const writer = new ResponseWriter(response)
  writer.writeHead(200, 'f\xfcr', ['X-Odd', '\xe9\xff', 'Content-Length', '6'])
  await nextTick()
  assert.match(Buffer.concat(calls.flat()).toString('latin1'), /^HTTP\/1\.1 200 f\xfcr\r\nX-Odd: \xe9\xff\r\n/)
})

test('preserves the order of response chunks, whichever chunk is large', async () => {
  for (const lengths of [
    [10, 20],
    [10, 40_000],
    [40_000, 10],
  ]) {
    const { response, body } = createRecordedResponse()
    const writer = new ResponseWriter(response)
    const chunks = lengths.map((length, i) => Buffer.alloc(length, String(i)))
    writer.writeHead(200, '', ['Content-Length', String(lengths[0]! + lengths[1]!)])
    for (const chunk of chunks) writer.write(chunk)
    writer.end()
    await nextTick()
    assert.equal(body(), Buffer.concat(chunks).toString())
  }
})

test('ends a response without a body after its head', async () => {
  const { response, body } = createRecordedResponse()
  const writer = new ResponseWriter(response)
  writer.writeHead(204, '', [])
  writer.end()
  await nextTick()
  assert.equal(body(), '')
  assert.equal(response.writableFinished, true)
})
