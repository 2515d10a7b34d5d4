import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** After this much silence no further response is expected. */
const quietMs = 50

export type FuzzClient = Readonly<{
  /** @param bytes Latin-1 */
  send: (bytes: string) => void
  /** Resolves when the expected number of responses has arrived, or nothing arrives for a while. */
  waitForResponses: (expected: number) => Promise<void>
  /** Closes the connection, and resolves to everything that was received. */
  close: () => Promise<string>
}>

/** A connection from a loopback address of its own, which the gateway forwards to the upstream and so identifies the attack. */
export async function openFuzzClient(port: number, localAddress: string): Promise<FuzzClient> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  let text = ''
  let onText = () => {}
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {}) // the close event follows
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
    onText()
  })
  await Promise.race([once(socket, 'connect').catch(() => {}), closed])
  return Object.freeze({
    send: (bytes: string) => void socket.write(bytes, 'latin1'),
    async waitForResponses(expected: number) {
      for (let previous = -1; previous < text.length && countResponses(text) < expected; ) {
        previous = text.length
        const more = new Promise<void>((resolve) => {
          onText = resolve
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

/** Without informational responses (1xx). */
export function countResponses(text: string): number {
  return text.match(/HTTP\/1\.1 [2-5]\d\d /g)?.length ?? 0
}
