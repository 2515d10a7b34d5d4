import type { Redis } from 'ioredis'
import { channel } from '../../../src/redis/store.ts'
import { eventually } from '../wait.ts'

export type Messages = Readonly<{
  /** The messages since `clear`, including all that were published before this call. */
  received: () => Promise<readonly string[]>
  clear: () => Promise<void>
  stop: () => void
}>

/**
 * Collects the messages to other replicas. Unlike elastauth, it keeps its connection while Redis hangs, so it misses none.
 * @param clients of all nodes
 */
export async function collectMessages(clients: readonly Redis[]): Promise<Messages> {
  let messages: string[] = []
  let calls = 0
  const subscriber = clients[0]!.duplicate().on('error', () => {})
  subscriber.on('message', (_channel, message) => messages.push(message))
  await subscriber.subscribe(channel)

  /** Each node sends its own messages in order, but those of two nodes may arrive in any order. */
  async function received(): Promise<readonly string[]> {
    const ends = clients.map((_client, node) => `the end ${calls} ${node}`)
    calls++
    await eventually(
      () => Promise.all(clients.map((client, node) => client.publish(channel, ends[node]!))),
      () => ends.every((end) => messages.includes(end)),
    )
    return messages.filter((message) => !message.startsWith('the end '))
  }

  return Object.freeze({
    received,
    async clear() {
      await received()
      messages = []
    },
    stop: () => subscriber.disconnect(),
  })
}
