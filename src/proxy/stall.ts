import type { ServerResponse } from 'node:http'

/** Watches a client that has to make room before there is more for it. */
export type StallWatch = Readonly<{ start: () => void; stop: () => void }>

/** @param patience how long a client may take nothing of what waits for it, in milliseconds */
export function createStallWatch(
  response: Pick<ServerResponse, 'writableLength'>,
  patience: number,
  onStall: () => void,
): StallWatch {
  let timer: NodeJS.Timeout | undefined
  let waiting = 0

  function look(): void {
    if (response.writableLength < waiting) start()
    else onStall()
  }

  function start(): void {
    waiting = response.writableLength
    clearTimeout(timer)
    timer = setTimeout(look, patience)
  }

  return { start, stop: () => clearTimeout(timer) }
}
