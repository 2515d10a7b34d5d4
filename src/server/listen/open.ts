import type { AddressInfo, Server } from 'node:net'
import type { Listener } from '../../../config/formats/listeners.ts'
import { listenOnUnixSocket } from './unix-socket.ts'

export type OpenedListener = Readonly<{
  /** As people write it: `http://127.0.0.1:5000`, `unix:/run/elastauth.sock`. */
  address: string
  /** To be called when the server has closed. */
  remove: () => void
}>

/**
 * Lets connections in. Rejects with what the system says (`code`), the entry's text in front.
 * @param mode permissions of a unix socket
 */
export async function openListener(server: Server, listener: Listener, mode: number): Promise<OpenedListener> {
  try {
    if (listener.kind === 'unix') {
      const remove = await listenOnUnixSocket(server, listener.path, mode)
      return { address: `${listener.isTls ? 'https://' : ''}unix:${listener.path}`, remove }
    }
    const { address, port } = await listenOnPort(server, listener.host, listener.port)
    const host = address.includes(':') ? `[${address}]` : address
    return { address: `${listener.isTls ? 'https' : 'http'}://${host}:${port}`, remove: () => {} }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw Object.assign(new Error(`${textOf(listener)}: ${message}`, { cause: error }), { code })
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

function textOf(listener: Listener): string {
  return listener.kind === 'unix' ? `unix:${listener.path}` : `${listener.host}:${listener.port}`
}
