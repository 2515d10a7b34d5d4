import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { GatewayError } from '../http/errors.ts'
import type { ExchangeObserver } from './observe.ts'

/** Whether a request has a body. Call it only after `checkFraming` has accepted the request. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return length === undefined ? headers['transfer-encoding'] !== undefined : Number(length) > 0
}

/**
 * Whether the client waits for `100 Continue` before it sends its body. An HTTP/1.0 client does not (RFC 9110, section
 * 10.1.1).
 */
export function expectsContinue({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.expect !== undefined && httpVersion !== '1.0'
}

/**
 * Waits for the first bytes of a body, or for its end. undici sends a request's headers only with the first bytes of
 * its body. If the request were assigned to a connection before, undici would take unsolicited bytes from the upstream
 * for the response. Rejects with GatewayError client_closed, or request_timeout if nothing arrives within `timeoutMs`.
 */
export function waitForBody(request: IncomingMessage, timeoutMs: number): Promise<void> {
  if (request.readableEnded) return Promise.resolve()
  if (request.destroyed) return Promise.reject(closedDuringRequest())
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(requestTimeout(timeoutMs)), timeoutMs)
  const onReady = () => resolve()
  const onClose = () => reject(closedDuringRequest())
  request.on('readable', onReady).on('end', onReady).on('close', onClose)
  return promise.finally(() => {
    clearTimeout(timer)
    request.off('readable', onReady).off('end', onReady).off('close', onClose)
  })
}

/**
 * A request's body as a separate stream. Destroying the stream discards the rest of the body but keeps the client's
 * connection open, so that the response can still be sent. Reading from the client begins with the first read of the
 * stream: for a retry, a second stream can replace an unread one. Fails with GatewayError request_timeout if the client
 * sends nothing for `timeoutMs` while elastauth reads.
 */
export function createBody(request: IncomingMessage, timeoutMs: number, observer?: ExchangeObserver): Readable {
  /** Set while the stream reads from the client. Not the timeout of the connection, which Node needs to close an idle one. */
  let timer: NodeJS.Timeout | undefined
  const body = new Readable({
    read() {
      if (timer === undefined) start()
      else timer.refresh()
      request.resume()
    },
    destroy(error, done) {
      if (timer !== undefined) {
        stop()
        request.resume()
      }
      done(error)
    },
  })
  // An error without a listener would end the process, and undici, which handles errors, may have stopped listening.
  return body.on('error', () => {})

  function start(): void {
    if (request.readableEnded) return void body.push(null)
    timer = setTimeout(onTimeout, timeoutMs)
    request.on('data', onData).on('end', onEnd).on('close', onClose)
  }

  function stop(): void {
    clearTimeout(timer)
    timer = undefined
    request.off('data', onData).off('end', onEnd).off('close', onClose)
  }

  function onData(chunk: Buffer): void {
    timer?.refresh()
    observer?.onRequestData(chunk)
    if (!body.push(chunk)) request.pause()
  }

  function onEnd(): void {
    stop()
    body.push(null)
  }

  function onClose(): void {
    body.destroy(closedDuringRequest())
  }

  function onTimeout(): void {
    // The client is not at fault: it cannot send because of back-pressure from the upstream.
    if (request.isPaused()) timer?.refresh()
    else body.destroy(requestTimeout(timeoutMs))
  }
}

function closedDuringRequest(): GatewayError {
  return new GatewayError('client_closed', 'the client closed the connection in the middle of its request')
}

function requestTimeout(timeoutMs: number): GatewayError {
  return new GatewayError('request_timeout', `the client sent nothing for ${timeoutMs} ms`)
}
