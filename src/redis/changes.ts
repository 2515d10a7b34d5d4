import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { withDeadline } from '../async/deadline.ts'
import { reconnectDelayMs } from './connect.ts'
import { channel } from './store.ts'

export type ChangesOptions = Readonly<{
  /** Creates a connection that is not yet connected; `attempt` counts from 0. */
  connect: (attempt: number) => Redis
  /** A replica has published a change of this user; `stateId` is empty if the new state is uncertain. */
  onChange: (username: string, stateId: string) => void
  /** Called when a subscription begins, because earlier changes may have been missed. */
  onListening: () => void
}>

/** The connection is checked with PING at this interval. Connecting and each PING must finish within `callTimeoutMs`. */
const pingIntervalMs = 2000
const callTimeoutMs = 1000

/** Listens to the messages of other replicas, and reconnects until `stopped` is aborted. Never rejects. */
export async function subscribeToChanges(options: ChangesOptions, stopped: AbortSignal): Promise<void> {
  for (let attempt = 0, failures = 0; !stopped.aborted; attempt++) {
    const connection = options.connect(attempt)
    const disconnect = () => connection.disconnect()
    stopped.addEventListener('abort', disconnect)
    try {
      await withTimeout(connection.connect().then(() => connection.subscribe(channel)))
      connection.on('message', (_channel: string, message: string) => {
        const [username = '', ...id] = message.split(' ')
        options.onChange(username, id.join(' '))
      })
      options.onListening()
      failures = 0
      await untilDisconnected(connection, stopped)
    } catch {
      failures++
    }
    stopped.removeEventListener('abort', disconnect)
    disconnect()
    await pause(reconnectDelayMs(failures), stopped)
  }
}

/** Rejects if a PING times out. */
async function untilDisconnected(connection: Redis, stopped: AbortSignal): Promise<void> {
  const ended = new Promise<void>((resolve) => connection.once('end', resolve))
  while (!stopped.aborted && connection.status === 'ready') {
    await Promise.race([ended, pause(pingIntervalMs, stopped)])
    if (connection.status === 'ready') await withTimeout(connection.ping())
  }
}

function withTimeout<T>(work: Promise<T>): Promise<T> {
  return withDeadline(work, callTimeoutMs, () => new Error('no response'))
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return sleep(milliseconds, undefined, { signal, ref: false }).catch(() => {})
}
