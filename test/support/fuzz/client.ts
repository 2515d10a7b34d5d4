import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long an answer is waited for that may not come, in milliseconds. */
const quietMs = 50

export type FuzzClient = Readonly<{
  /** Latin-1. */
  send: (bytes: string) => void
  /** Resolves when so many answers are there, or none comes for a moment. */
  waitForResponses: (expected: number) => Promise<void>
  /** Leaves, and resolves to all that came. */
  close: () => Promise<string>
}>

/** A connection from a loopback address of its own, by which the upstream's tester knows it. */
export async function openFuzzClient(port: number, localAddress: string): Promise<FuzzClient> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  let text = ''
  let news = () => {}
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {}) // a reset is a close too
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
    news()
  })
  await Promise.race([once(socket, 'connect').catch(() => {}), closed])
  return Object.freeze({
    send: (bytes: string) => void socket.write(bytes, 'latin1'),
    async waitForResponses(expected: number) {
      for (let before = -1; before < text.length && countResponses(text) < expected; ) {
        before = text.length
        const more = new Promise<void>((resolve) => {
          news = resolve
        })
        await Promise.race([more, closed, sleep(quietMs)])
      }
    },
    async close() {
      socket.end()
      await closed
      return text
    },
  })
}

/** Interim ones are none. */
export function countResponses(text: string): number {
  return text.match(/HTTP\/1\.1 [2-5]\d\d /g)?.length ?? 0
}
