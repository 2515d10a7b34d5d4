import { connect, type Socket } from 'node:net'

export type RawConnection = Readonly<{
  socket: Socket
  send: (text: string) => void
  /** Everything that came so far. */
  received: () => string
  /** Resolves when what came matches. */
  until: (pattern: RegExp) => Promise<string>
  /** Resolves to everything that came, once the other side has closed. */
  closed: Promise<string>
}>

/** A connection that sends exactly the bytes it is given: for what no HTTP client would send. */
export function openRaw(port: number, options: { allowHalfOpen?: boolean } = {}): RawConnection {
  const socket = connect({ port, host: '127.0.0.1', ...options })
  let text = ''
  let watchers: (() => void)[] = []
  socket.setEncoding('latin1')
  socket.on('data', (chunk) => {
    text += chunk
    for (const watch of watchers) watch()
  })
  const { promise: closed, resolve } = Promise.withResolvers<string>()
  socket.on('error', () => {}) // a reset is a close too
  socket.on('close', () => resolve(text))
  return Object.freeze({
    socket,
    send: (bytes: string) => void socket.write(bytes, 'latin1'),
    received: () => text,
    until(pattern: RegExp) {
      if (pattern.test(text)) return Promise.resolve(text)
      const matched = Promise.withResolvers<string>()
      watchers.push(() => pattern.test(text) && matched.resolve(text))
      void closed.then(() => matched.reject(new Error(`closed before ${pattern}: ${JSON.stringify(text)}`)))
      return matched.promise.finally(() => {
        watchers = []
      })
    },
    closed,
  })
}
