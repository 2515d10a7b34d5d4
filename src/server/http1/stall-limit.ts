import type { ServerResponse } from 'node:http'
import { stallTimeoutMs } from '../listen/limits.ts'

/**
 * Destroys the connection of a client that reads nothing of a response for `stallTimeoutMs`, because the connection and
 * the buffered response would occupy memory indefinitely. For elastauth's own responses over HTTP/1.1; HTTP/2 streams
 * have a limit of their own.
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
