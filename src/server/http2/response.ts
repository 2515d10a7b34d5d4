import type { ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { Writable } from 'node:stream'
import { connectionSpecificHeaders } from '../../../config/header-names.ts'
import { toHeaderObject } from '../../http/headers.ts'
import { stallTimeoutMs } from '../listen/limits.ts'

/** Interim (1xx) responses are dropped while a connection has more queued frames than this. */
const maxQueuedFrames = 16

const bodylessStatuses = new Set([204, 205, 304])

/**
 * The response on an HTTP/2 stream, with the part of the `ServerResponse` interface that elastauth uses. Like a
 * `ServerResponse`, it emits `finish` and `close` when the response has been sent, and only `close` if the client
 * disconnects. Destroying an incomplete response resets the stream, so that the client does not take the response for
 * complete.
 */
export function createHttp2Response(stream: ServerHttp2Stream, isHeadRequest: boolean): ServerResponse {
  let hasHead = false
  let isComplete = false
  let isBodyless = isHeadRequest
  const writable = Object.assign(
    new Writable({
      write(chunk, _, done) {
        if (!hasHead) writeHead(response.statusCode)
        if (isBodyless || chunk.length === 0 || stream.write(chunk)) done()
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
          // The rest of the request body is not needed (RFC 9113, section 8.1). It is discarded only in the next turn
          // of the event loop, because nghttp2 would drop the response's headers if the stream were closed in this one.
          if (!stream.endAfterHeaders) setImmediate(discardRequestBody)
          done()
        }
        limitStall() // applies until the stream closes, because Node emits `finish` as soon as nghttp2 has the data
        if (isBodyless) finish()
        else stream.end(finish)
      },
      destroy(error, done) {
        // Without an error, `destroy` would end the stream normally, and a truncated response would look complete.
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
  response.on('error', () => {}) // the error is that of the stream, which closes by itself
  return response

  function discardRequestBody(): void {
    if (stream.readableEnded) return
    stream.resume() // an unread stream never closes, and Node resumes it by itself only if nothing has read from it
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
    // For a client that does not read, nghttp2 would buffer any number of these frames.
    if ((stream.session?.state.outboundQueueSize ?? 0) > maxQueuedFrames) return
    stream.additionalHeaders(toHeaderObject([':status', String(status), ...toHttp2Headers(headers)]))
  }

  /**
   * Resets the stream of a client that reads nothing for too long: with a closed flow-control window, a client could
   * make elastauth keep the buffered response indefinitely.
   */
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
 * @param isEmpty whether the response has no body. A Content-Length is then omitted, because a response without the
 * announced body is malformed (RFC 9113, section 8.1.1)
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
