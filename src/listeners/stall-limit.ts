import type { ServerResponse } from 'node:http'
import { stallTimeout } from './limits.ts'

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
  }, stallTimeout)
  response.once('close', () => clearInterval(timer))
}
