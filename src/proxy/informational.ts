import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Passes an interim answer on (102, 103 and their like; RFC 9110, 15.2). HTTP/1.0 has none, and older releases of Node
 * cannot send them all: they are hints, so there they are dropped. They are also dropped if the client does not read: an upstream
 * may send any number of them, and there is no back-pressure for them.
 */
export function sendInformational(
  { httpVersion }: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: string[],
): void {
  if (httpVersion === '1.0' || response.headersSent || response.destroyed) return
  if (response.writableLength >= response.writableHighWaterMark) return
  if (typeof response.writeInformation === 'function') response.writeInformation(status, headers)
}
