import type { AddressInfo, Server } from 'node:net'
import type { Listener } from '../../../config/formats/listeners.ts'
import { listenOnUnixSocket } from './unix-socket.ts'

export type OpenedListener = Readonly<{
  /** The address for log lines: `http://127.0.0.1:5000`, `unix:/run/elastauth.sock`. */
  address: string
  /** Removes the unix socket; call it when the server has closed. Does nothing for TCP. */
  removeSocketFile: () => void
}>

/**
 * Starts to accept connections. Rejects with the system's error and its `code`; the message begins with the configured
 * address.
 * @param unixSocketMode permissions of a unix socket
 */
export async function openListener(
  server: Server,
  listener: Listener,
  unixSocketMode: number,
): Promise<OpenedListener> {
  try {
    if (listener.kind === 'unix') {
      const removeSocketFile = await listenOnUnixSocket(server, listener.path, unixSocketMode)
      return { address: `${listener.isTls ? 'https://' : ''}unix:${listener.path}`, removeSocketFile }
    }
    const { address, port } = await listenOnPort(server, listener.host, listener.port)
    const host = address.includes(':') ? `[${address}]` : address
    return { address: `${listener.isTls ? 'https' : 'http'}://${host}:${port}`, removeSocketFile: () => {} }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw Object.assign(new Error(`${describeListener(listener)}: ${message}`, { cause: error }), { code })
  }
}

function listenOnPort(server: Server, host: string, port: number): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>()
  server.once('error', reject)
  server.listen({ ...(host !== '' && { host }), port }, () => {
    server.off('error', reject)
    resolve(server.address() as AddressInfo)
  })
  return promise
}

function describeListener(listener: Listener): string {
  return listener.kind === 'unix' ? `unix:${listener.path}` : `${listener.host}:${listener.port}`
}
