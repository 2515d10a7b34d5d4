import type { ServerResponse } from 'node:http'
import { GatewayError } from '../http/errors.ts'
import type { ExchangeObserver } from './observe.ts'
import { createSendTimeout } from './send-timeout.ts'

/** An upstream's complete response, of which nothing has been sent to the client. */
export type BufferedResponse = Readonly<{ status: number; headers: string[]; body: Buffer[] }>

/**
 * The maximum size of a buffered 401 body. A larger body, which is unusual for an error, is streamed to the client
 * instead.
 */
const maxBufferedBytes = 64 * 1024

export function createResponseBuffer(status: number, headers: string[]) {
  const body: Buffer[] = []
  let bytes = 0
  return Object.freeze({
    response: { status, headers, body } as BufferedResponse,
    /** @returns false if the body has become too long to be buffered */
    add(chunk: Buffer): boolean {
      body.push(chunk)
      bytes += chunk.length
      return bytes <= maxBufferedBytes
    },
  })
}

/**
 * Resolves when the response has been sent. Rejects with GatewayError client_closed if the client disconnects, or reads nothing for
 * `clientTimeoutMs`.
 */
export async function sendBufferedResponse(
  response: ServerResponse,
  { status, headers, body }: BufferedResponse,
  clientTimeoutMs: number,
  observer?: ExchangeObserver,
): Promise<void> {
  if (response.destroyed) throw clientClosed()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const sendTimeout = createSendTimeout(response, clientTimeoutMs, { onTimeout: reject })
  response.once('close', resolve)
  response.writeHead(status, headers)
  for (const chunk of body) {
    observer?.onResponseData(chunk)
    response.write(chunk)
  }
  response.end()
  sendTimeout.start()
  await promise.finally(sendTimeout.end)
  if (!response.writableFinished) throw clientClosed()
}

export function clientClosed(): GatewayError {
  return new GatewayError('client_closed', 'the client closed the connection before the response was complete')
}
