import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { GatewayError } from '../http/errors.ts'

/** Whether a request has a body. Only for one that `checkFraming` let through. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return length === undefined ? headers['transfer-encoding'] !== undefined : Number(length) > 0
}

/** Whether a client sends its body when it has heard `100 Continue`, of which HTTP/1.0 knows nothing (RFC 9110, 10.1.1). */
export function expectsContinue({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.expect !== undefined && httpVersion !== '1.0'
}

/**
 * Waits until there is something of a body, or its end. undici keeps a request's head back until then, and meanwhile would
 * take whatever comes on the connection that it has chosen, a word that the upstream owes nobody, for the answer.
 * Rejects with GatewayError client_closed; request_timeout when nothing comes for `patience` milliseconds.
 */
export function waitForBody(request: IncomingMessage, patience: number): Promise<void> {
  if (request.readableEnded) return Promise.resolve()
  if (request.destroyed) return Promise.reject(left())
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(silent(patience)), patience)
  const onBegun = () => resolve()
  const onClose = () => reject(left())
  request.on('readable', onBegun).on('end', onBegun).on('close', onClose)
  return promise.finally(() => {
    clearTimeout(timer)
    request.off('readable', onBegun).off('end', onBegun).off('close', onClose)
  })
}

/**
 * A request's body as a stream of its own. Whoever reads it may destroy it: the client's connection lives on, and can
 * still carry our answer, while what else the client sends is read and thrown away. Nothing is read before the first
 * reader wants it, so a second such stream may be made for a second try as long as the first was not read.
 * Fails with GatewayError request_timeout when the client, though we are ready, sends nothing for `patience` milliseconds.
 */
export function createBody(request: IncomingMessage, patience: number): Readable {
  let isReading = false
  const body = new Readable({
    read() {
      if (!isReading) start()
      request.resume()
    },
    destroy(error, done) {
      if (isReading) {
        stop()
        request.resume()
      }
      done(error)
    },
  })
  // Errors are for the reader, who may be gone.
  return body.on('error', () => {})

  function start(): void {
    if (request.readableEnded) return void body.push(null)
    isReading = true
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('timeout', onTimeout).setTimeout(patience)
  }

  function stop(): void {
    request.off('data', onData).off('end', onEnd).off('close', onClose).off('timeout', onTimeout)
    if (!request.socket.destroyed) request.setTimeout(0)
  }

  function onData(chunk: Buffer): void {
    if (!body.push(chunk)) request.pause()
  }

  function onEnd(): void {
    stop()
    isReading = false
    body.push(null)
  }

  function onClose(): void {
    body.destroy(left())
  }

  function onTimeout(): void {
    // While the upstream takes nothing, the silence is not the client's.
    if (request.isPaused()) return
    body.destroy(silent(patience))
  }
}

function left(): GatewayError {
  return new GatewayError('client_closed', 'the client left in the middle of its request')
}

function silent(patience: number): GatewayError {
  return new GatewayError('request_timeout', `the client sent nothing for ${patience} ms`)
}
