import type { ServerResponse } from 'node:http'
import { stallTimeoutMs } from '../listen/limits.ts'

/**
 * Whether a response that has ended waits: for those before it on its connection, or for its client. Nearly every response is
 * with the kernel by then, and Node's `writableFinished` says so only later.
 */
export function isUnsent(response: ServerResponse): boolean {
  const { socket } = response as { socket?: ServerResponse['socket'] }
  if (socket === undefined) return !response.writableFinished // HTTP/2
  return socket === null || response.writableLength > 0
}

/**
 * Closes the connection of a client that reads nothing of one of our own responses: it would occupy the connection and the
 * buffered response indefinitely. HTTP/2 streams have their own limit.
 */
export function limitStall(response: ServerResponse): void {
  const { socket } = response as { socket?: ServerResponse['socket'] }
  if (socket === undefined || response.destroyed) return
  let waiting = socket === null ? Number.POSITIVE_INFINITY : response.writableLength
  const timer = setInterval(() => {
    if (response.socket === null) return // waits for the responses before it
    if (response.writableLength >= waiting) response.destroy()
    waiting = response.writableLength
  }, stallTimeoutMs)
  response.once('close', () => clearInterval(timer))
}
