import type { ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { Writable } from 'node:stream'
import { connectionSpecificHeaders } from '../../../config/header-names.ts'
import { toHeaderObject } from '../../http/headers.ts'
import { stallTimeoutMs } from '../listen/limits.ts'

/** Interim responses are dropped if more frames than this wait on their connection. */
const mostQueuedFrames = 16

const bodylessStatuses = new Set([204, 205, 304])

/**
 * The answer on a stream, as what answers HTTP/1.1 knows it: of `ServerResponse` that which elastauth uses. It ends as
 * there, with `finish` and `close` when all of it is out or with `close` alone when the client has gone, whether or
 * not the client has said all it has to say. Destroyed in the middle, it resets the stream: nobody takes it for whole.
 */
export function createHttp2Response(stream: ServerHttp2Stream, isToHead: boolean): ServerResponse {
  let hasHead = false
  let isOut = false
  let isBodyless = isToHead
  const response = Object.assign(
    new Writable({
      write(chunk, _, done) {
        if (!hasHead) writeHead(answer.statusCode)
        if (isBodyless || stream.write(chunk)) done()
        else {
          const stop = limitStall()
          stream.once('drain', () => {
            stop()
            done()
          })
        }
      },
      final(done) {
        if (!hasHead) writeHead(answer.statusCode)
        const finish = () => {
          isOut = true
          // What the client has still to say is for nobody (RFC 9113, 8.1). Closed in this very turn, nghttp2 would drop the answer's head.
          if (!stream.endAfterHeaders) setImmediate(closeRest)
          done()
        }
        limitStall() // until the stream is closed: to Node, an answer is out when nghttp2 has it
        if (isBodyless) finish()
        else stream.end(finish)
      },
      destroy(error, done) {
        // With an error: `close` would write the stream's end first, and half an answer would look whole.
        if (!isOut) stream.destroy(new Error('the answer was cut short'))
        done(error)
      },
    }),
    {
      statusCode: 200,
      /** Nothing to say here: a connection ends with GOAWAY. */
      shouldKeepAlive: true,
      writeHead,
      writeContinue: () => writeInformation(100, []),
      writeInformation,
      /** The head went out when it was written. */
      flushHeaders() {},
    },
  )
  Object.defineProperty(response, 'headersSent', { get: () => hasHead })
  const answer = response as unknown as ServerResponse
  stream.on('error', () => {}) // a reset is a close too
  // A stream that is reset counts as ended by Node, and what it still had to write as written.
  stream.once('aborted', () => response.destroy())
  stream.once('close', () => {
    if (!isOut) response.destroy()
  })
  response.on('error', () => {}) // the stream's, which has closed
  return answer

  function closeRest(): void {
    if (stream.readableEnded) return
    stream.resume() // or it would never close: Node does so only where nobody has read of it
    stream.close(constants.NGHTTP2_NO_ERROR)
  }

  /** @param rest a reason, which HTTP/2 has no place for, and names and values in turn */
  function writeHead(status: number, ...rest: unknown[]): ServerResponse {
    hasHead = true
    answer.statusCode = status
    isBodyless ||= bodylessStatuses.has(status)
    if (stream.closed || stream.destroyed) return answer
    const headers = (Array.isArray(rest.at(-1)) ? rest.at(-1) : []) as string[]
    stream.respond([':status', String(status), ...lowered(headers, status === 205)], { endStream: isBodyless })
    return answer
  }

  function writeInformation(status: number, headers: readonly string[]): void {
    if (hasHead || stream.closed || stream.destroyed) return
    // The client does not read: nghttp2 buffers what it cannot write.
    if ((stream.session?.state.outboundQueueSize ?? 0) > mostQueuedFrames) return
    stream.additionalHeaders(toHeaderObject([':status', String(status), ...lowered(headers)]))
  }

  /** A client that takes nothing would hold what we have for it for ever: its window is its own, TCP is content. */
  function limitStall(): () => void {
    const timer = setTimeout(() => stream.destroy(new Error('the client takes nothing')), stallTimeoutMs)
    const stop = () => clearTimeout(timer)
    stream.once('close', stop)
    return () => {
      stop()
      stream.off('close', stop)
    }
  }
}

/** @param isEmpty whether there is no body though the headers may speak of one, which makes an answer malformed (RFC 9113, 8.1.1) */
function lowered(headers: readonly string[], isEmpty = false): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    if (connectionSpecificHeaders.has(name) || (isEmpty && name === 'content-length')) continue
    kept.push(name, headers[i + 1]!)
  }
  return kept
}
