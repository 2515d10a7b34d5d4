import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ResponseWriter } from '../../../src/proxy/response-writer.ts'

/** An answer whose system calls are counted: `write` takes one piece, `writev` several. */
function recordedAnswer() {
  const calls: Buffer[][] = []
  const wire = new Writable({
    decodeStrings: true,
    write(piece, _, done) {
      calls.push([piece])
      done()
    },
    writev(pieces, done) {
      calls.push(pieces.map(({ chunk }) => chunk))
      done()
    },
  })
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.sendDate = false
  response.assignSocket(wire as Socket)
  const body = () => Buffer.concat(calls.flat()).toString('latin1').split('\r\n\r\n').slice(1).join('\r\n\r\n')
  return { response, calls, body }
}

test('a small answer that is there whole goes out as one piece, every byte as it came', async () => {
  const { response, calls, body } = recordedAnswer()
  const writer = new ResponseWriter(response)
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  writer.writeHead(200, '', ['Content-Length', '256'])
  writer.write(bytes)
  writer.end()
  await turn()
  assert.deepEqual(
    calls.map((pieces) => pieces.length),
    [1],
  )
  assert.equal(body(), bytes.toString('latin1'))
})

test('a head whose body is late waits for nobody, and neither does a first piece', async () => {
  const { response, body, calls } = recordedAnswer()
  const writer = new ResponseWriter(response)
  writer.writeHead(200, '', ['Content-Length', '6'])
  await turn()
  assert.equal(calls.length, 1)
  writer.write(Buffer.from('abc'))
  await turn()
  assert.equal(body(), 'abc')
  writer.write(Buffer.from('def'))
  writer.end()
  await turn()
  assert.equal(body(), 'abcdef')
})

test('pieces keep their order, whichever of them is large', async () => {
  for (const lengths of [
    [10, 20],
    [10, 40_000],
    [40_000, 10],
  ]) {
    const { response, body } = recordedAnswer()
    const writer = new ResponseWriter(response)
    const pieces = lengths.map((length, i) => Buffer.alloc(length, String(i)))
    writer.writeHead(200, '', ['Content-Length', String(lengths[0]! + lengths[1]!)])
    for (const piece of pieces) writer.write(piece)
    writer.end()
    await turn()
    assert.equal(body(), Buffer.concat(pieces).toString())
  }
})

test('an answer without a body ends with its head', async () => {
  const { response, body } = recordedAnswer()
  const writer = new ResponseWriter(response)
  writer.writeHead(204, '', [])
  writer.end()
  await turn()
  assert.equal(body(), '')
  assert.equal(response.writableFinished, true)
})
