import type { ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { Writable } from 'node:stream'
import { connectionSpecificHeaders } from '../../../config/header-names.ts'
import { toHeaderObject } from '../../http/headers.ts'
import { stallTimeoutMs } from '../listen/limits.ts'

/** Interim responses are dropped if the connection has more queued frames. */
const maxQueuedFrames = 16

const bodylessStatuses = new Set([204, 205, 304])

/**
 * The response on a stream, with the part of the `ServerResponse` interface that elastauth uses. As there, `finish` and
 * `close` are emitted when the response has been sent, and only `close` if the client disconnects, even if the request
 * body has not ended. If it is destroyed before its end, the stream is reset, so that the client does not take the
 * response for complete.
 */
export function createHttp2Response(stream: ServerHttp2Stream, isHeadRequest: boolean): ServerResponse {
  let hasHead = false
  let isComplete = false
  let isBodyless = isHeadRequest
  const writable = Object.assign(
    new Writable({
      write(chunk, _, done) {
        if (!hasHead) writeHead(response.statusCode)
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
        if (!hasHead) writeHead(response.statusCode)
        const finish = () => {
          isComplete = true
          // The rest of the request body is not needed (RFC 9113, section 8.1). nghttp2 would drop the response's head
          // if the stream were closed in the same turn of the event loop.
          if (!stream.endAfterHeaders) setImmediate(discardRequestBody)
          done()
        }
        limitStall() // until the stream closes: Node emits `finish` as soon as nghttp2 has the data
        if (isBodyless) finish()
        else stream.end(finish)
      },
      destroy(error, done) {
        // With an error: without one, the stream would be ended first, and a truncated response would look complete.
        if (!isComplete) stream.destroy(new Error('the response was aborted'))
        done(error)
      },
    }),
    {
      statusCode: 200,
      /** Has no effect in HTTP/2, where a connection ends with GOAWAY. */
      shouldKeepAlive: true,
      writeHead,
      writeContinue: () => writeInformation(100, []),
      writeInformation,
      /** `writeHead` has sent the head. */
      flushHeaders() {},
    },
  )
  Object.defineProperty(writable, 'headersSent', { get: () => hasHead })
  const response = writable as unknown as ServerResponse
  stream.on('error', () => {}) // `close` follows
  // Node treats a reset stream as ended and its pending data as written.
  stream.once('aborted', () => response.destroy())
  stream.once('close', () => {
    if (!isComplete) response.destroy()
  })
  response.on('error', () => {}) // of the stream, which has closed
  return response

  function discardRequestBody(): void {
    if (stream.readableEnded) return
    stream.resume() // otherwise it would never close; Node does so only if nothing has read from it
    stream.close(constants.NGHTTP2_NO_ERROR)
  }

  /** @param rest a reason phrase, which HTTP/2 does not have, and headers as alternating names and values */
  function writeHead(status: number, ...rest: unknown[]): ServerResponse {
    hasHead = true
    response.statusCode = status
    isBodyless ||= bodylessStatuses.has(status)
    if (stream.closed || stream.destroyed) return response
    const headers = (Array.isArray(rest.at(-1)) ? rest.at(-1) : []) as string[]
    stream.respond([':status', String(status), ...toHttp2Headers(headers, status === 205)], { endStream: isBodyless })
    return response
  }

  function writeInformation(status: number, headers: readonly string[]): void {
    if (hasHead || stream.closed || stream.destroyed) return
    // nghttp2 buffers frames for a client that does not read.
    if ((stream.session?.state.outboundQueueSize ?? 0) > maxQueuedFrames) return
    stream.additionalHeaders(toHeaderObject([':status', String(status), ...toHttp2Headers(headers)]))
  }

  /** A client that keeps its flow-control window closed would occupy the buffered response indefinitely. */
  function limitStall(): () => void {
    const timer = setTimeout(() => stream.destroy(new Error('the client does not read its response')), stallTimeoutMs)
    const stop = () => clearTimeout(timer)
    stream.once('close', stop)
    return () => {
      stop()
      stream.off('close', stop)
    }
  }
}

/**
 * Header names in lower case, without hop-by-hop headers.
 * @param isEmpty whether to omit Content-Length: without the body that it announces, a response is malformed (RFC 9113,
 * section 8.1.1)
 */
function toHttp2Headers(headers: readonly string[], isEmpty = false): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    if (connectionSpecificHeaders.has(name) || (isEmpty && name === 'content-length')) continue
    kept.push(name, headers[i + 1]!)
  }
  return kept
}
