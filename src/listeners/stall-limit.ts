import type { ServerResponse } from 'node:http'
import { stallTimeout } from './limits.ts'

/**
 * Closes the connection of a client that takes nothing of a response of ours: it would keep its place, and what is written,
 * for as long as it likes. HTTP/2 streams have a limit of their own.
 */
export function limitStall(response: ServerResponse): void {
  const { socket } = response as { socket?: ServerResponse['socket'] }
  if (socket === undefined || response.destroyed) return
  let waiting = socket === null ? Number.POSITIVE_INFINITY : response.writableLength
  const timer = setInterval(() => {
    if (response.socket === null) return // it waits for the responses before it
    if (response.writableLength >= waiting) response.destroy()
    waiting = response.writableLength
  }, stallTimeout)
  response.once('close', () => clearInterval(timer))
}
