import type { IncomingMessage, ServerResponse } from 'node:http'
import { clientClosed } from '../buffered-response.ts'
import type { BuildResponseHeaders } from '../headers/response-headers.ts'
import { ResponseWriter } from '../response-writer.ts'
import type { Routing } from '../routing/routing.ts'
import { createSendTimeout } from '../send-timeout.ts'
import { toUpstreamError } from '../upstream-error.ts'

export type ForwardRejectionOptions = Pick<Routing, 'timeoutMs' | 'clientTimeoutMs'> &
  Readonly<{ origin: string; buildResponseHeaders: BuildResponseHeaders }>

/**
 * Forwards an upstream's rejection of an upgrade to the client, with back-pressure. Rejects with GatewayError
 * client_closed, upstream_unavailable, upstream_timeout or upstream_protocol; if `response.headersSent`, the response
 * was truncated.
 */
export async function forwardRejection(
  rejection: IncomingMessage,
  response: ServerResponse,
  { timeoutMs, clientTimeoutMs, origin, buildResponseHeaders }: ForwardRejectionOptions,
): Promise<void> {
  const writer = new ResponseWriter(response)
  writeHead(writer, rejection, { origin, buildResponseHeaders })
  const { promise: sent, resolve, reject } = Promise.withResolvers<void>()
  const sendTimeout = createSendTimeout(response, clientTimeoutMs, {
    onDrain: () => void rejection.resume(),
    onTimeout: reject,
  })
  setReadTimeout(rejection, timeoutMs)
  rejection.on('data', (chunk: Buffer) => {
    if (writer.write(chunk)) return
    rejection.pause()
    sendTimeout.start()
  })
  rejection.on('end', () => {
    writer.end()
    if (response.writableLength > 0) sendTimeout.start()
  })
  rejection.on('error', (error) => reject(toUpstreamError(error, origin, false)))
  response.once('close', () => (response.writableFinished ? resolve() : reject(clientClosed())))
  await sent.finally(() => sendTimeout.end())
}

/** Throws GatewayError upstream_protocol if Node rejects the status. */
function writeHead(
  writer: ResponseWriter,
  { statusCode, statusMessage, rawHeaders }: IncomingMessage,
  { origin, buildResponseHeaders }: Pick<ForwardRejectionOptions, 'origin' | 'buildResponseHeaders'>,
): void {
  try {
    writer.writeHead(statusCode!, statusMessage!, buildResponseHeaders(rawHeaders, statusCode!))
  } catch (error) {
    throw toUpstreamError(error as Error, origin, true)
  }
}

/**
 * Sets a timeout for reading from the upstream. It does not run while the client reads nothing, because back-pressure
 * then stops elastauth from reading too.
 */
function setReadTimeout(rejection: IncomingMessage, timeoutMs: number): void {
  const { socket } = rejection
  socket.setTimeout(timeoutMs).on('timeout', () => {
    if (rejection.isPaused()) return void socket.setTimeout(timeoutMs)
    const error = new Error(`the upstream sent nothing for ${timeoutMs} ms in the middle of its response`)
    rejection.destroy(Object.assign(error, { code: 'UND_ERR_BODY_TIMEOUT' }))
  })
}
