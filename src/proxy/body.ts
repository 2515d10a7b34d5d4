import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { GatewayError } from '../errors.ts'

/** Whether a request has a body. Only for one that `checkFraming` let through. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return length === undefined ? headers['transfer-encoding'] !== undefined : Number(length) > 0
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
    body.destroy(new GatewayError('client_closed', 'the client left in the middle of its request'))
  }

  function onTimeout(): void {
    // While the upstream takes nothing, the silence is not the client's.
    if (request.isPaused()) return
    body.destroy(new GatewayError('request_timeout', `the client sent nothing for ${patience} ms`))
  }
}
