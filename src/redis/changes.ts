import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { channel } from './store.ts'

export type ChangesOptions = Readonly<{
  /** A new connection, not connected yet; `attempt` counts from 0. */
  connect: (attempt: number) => Redis
  /** Something was shared of this user; `stateId` is empty when what it is is in doubt. */
  onChange: (username: string, stateId: string) => void
  /** From now on every change is heard; those before may have been missed. */
  onListening: () => void
}>

/** How often a silent connection is asked whether it lives, how long it may take, and the longest wait between two attempts, in milliseconds. */
const askEvery = 2000
const patience = 1000
const longestWait = 2000

/** Listens to what replicas tell each other, on ever new connections, until `stopped`. Never rejects. */
export async function subscribeToChanges(options: ChangesOptions, stopped: AbortSignal): Promise<void> {
  for (let attempt = 0, failures = 0; !stopped.aborted; attempt++) {
    const connection = options.connect(attempt)
    const disconnect = () => connection.disconnect()
    stopped.addEventListener('abort', disconnect)
    try {
      await within(connection.connect().then(() => connection.subscribe(channel)))
      connection.on('message', (_channel: string, message: string) => {
        const [username = '', ...id] = message.split(' ')
        options.onChange(username, id.join(' '))
      })
      options.onListening()
      failures = 0
      await untilSilent(connection, stopped)
    } catch {
      failures++
    }
    stopped.removeEventListener('abort', disconnect)
    disconnect()
    await pause(Math.min(50 * 2 ** Math.min(failures, 10), longestWait), stopped)
  }
}

async function untilSilent(connection: Redis, stopped: AbortSignal): Promise<void> {
  const ended = new Promise<void>((resolve) => connection.once('end', resolve))
  while (!stopped.aborted && connection.status === 'ready') {
    await Promise.race([ended, pause(askEvery, stopped)])
    if (connection.status === 'ready') await within(connection.ping())
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  const late = new AbortController()
  const timeout = sleep(patience, undefined, { signal: late.signal }).then(() => {
    throw new Error('no answer')
  })
  timeout.catch(() => {})
  work.catch(() => {})
  try {
    return await Promise.race([work, timeout])
  } finally {
    late.abort()
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return sleep(milliseconds, undefined, { signal, ref: false }).catch(() => {})
}
