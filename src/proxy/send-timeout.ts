import type { Writable } from 'node:stream'
import { GatewayError } from '../http/errors.ts'

/**
 * A timeout for a client that does not read its response, like nginx's `send_timeout`. Listens for `drain` until `end`
 * is called.
 */
export type SendTimeout = Readonly<{ start: () => void; end: () => void }>

export type SendTimeoutListeners = Readonly<{
  /** The client has read everything that was buffered for it. */
  onDrain?: () => void
  /** The client has read nothing for too long. Called with GatewayError client_closed. */
  onTimeout: (error: GatewayError) => void
}>

/** @param timeoutMs how long the client may leave buffered data unread */
export function createSendTimeout(
  response: Pick<Writable, 'writableLength' | 'on' | 'off'>,
  timeoutMs: number,
  { onDrain, onTimeout }: SendTimeoutListeners,
): SendTimeout {
  let timer: NodeJS.Timeout | undefined
  let bufferedBytes = 0
  response.on('drain', handleDrain)

  function handleDrain(): void {
    clearTimeout(timer)
    onDrain?.()
  }

  function checkProgress(): void {
    if (response.writableLength < bufferedBytes) start()
    else onTimeout(new GatewayError('client_closed', `the client read nothing of the response for ${timeoutMs} ms`))
  }

  function start(): void {
    bufferedBytes = response.writableLength
    clearTimeout(timer)
    timer = setTimeout(checkProgress, timeoutMs)
  }

  function end(): void {
    clearTimeout(timer)
    response.off('drain', handleDrain)
  }

  return { start, end }
}
