import type { ServerResponse } from 'node:http'
import { stallTimeoutMs } from '../listen/limits.ts'

/**
 * Whether an ended response still has to be sent: it waits for earlier responses on its connection, or for the client
 * to read. Node's `writableFinished` cannot tell, because it becomes true only some time after the kernel has accepted
 * all bytes.
 */
export function isUnsent(response: ServerResponse): boolean {
  const { socket } = response as { socket?: ServerResponse['socket'] }
  if (socket === undefined) return !response.writableFinished // HTTP/2
  return socket === null || response.writableLength > 0
}

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
