import type { Writable } from 'node:stream'

/** Watches a client that has to make room before there is more for it, and listens to it until `end`. */
export type SendTimeout = Readonly<{ start: () => void; end: () => void }>

export type SendTimeoutListeners = Readonly<{
  /** The client has taken all that waited for it. */
  onDrain: () => void
  /** The client has taken nothing for too long. */
  onTimeout: () => void
}>

/** @param patience how long a client may take nothing of what waits for it, in milliseconds */
export function createSendTimeout(
  response: Pick<Writable, 'writableLength' | 'on' | 'off'>,
  patience: number,
  { onDrain, onTimeout }: SendTimeoutListeners,
): SendTimeout {
  let timer: NodeJS.Timeout | undefined
  let waiting = 0
  response.on('drain', drained)

  function drained(): void {
    clearTimeout(timer)
    onDrain()
  }

  function look(): void {
    if (response.writableLength < waiting) start()
    else onTimeout()
  }

  function start(): void {
    waiting = response.writableLength
    clearTimeout(timer)
    timer = setTimeout(look, patience)
  }

  function end(): void {
    clearTimeout(timer)
    response.off('drain', drained)
  }

  return { start, end }
}
