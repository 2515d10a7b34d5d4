import type { ServerResponse } from 'node:http'
import { stallTimeoutMs } from '../listen/limits.ts'

/**
 * Whether a response that has ended still waits, for earlier responses on its connection or for its client. By then the
 * kernel usually has all of its bytes, but Node's `writableFinished` becomes true only later.
 */
export function isUnsent(response: ServerResponse): boolean {
  const { socket } = response as { socket?: ServerResponse['socket'] }
  if (socket === undefined) return !response.writableFinished // HTTP/2
  return socket === null || response.writableLength > 0
}

/**
 * Destroys the connection of a client that does not read a response for `stallTimeoutMs`: it would occupy the
 * connection and the buffered response indefinitely. For responses of elastauth itself; HTTP/2 streams have their own
 * limit.
 */
export function limitStall(response: ServerResponse): void {
  const { socket } = response as { socket?: ServerResponse['socket'] }
  if (socket === undefined || response.destroyed) return
  let previousLength = socket === null ? Number.POSITIVE_INFINITY : response.writableLength
  const timer = setInterval(() => {
    if (response.socket === null) return // waits for earlier responses
    if (response.writableLength >= previousLength) response.destroy()
    previousLength = response.writableLength
  }, stallTimeoutMs)
  response.once('close', () => clearInterval(timer))
}
