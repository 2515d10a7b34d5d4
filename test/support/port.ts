import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

/** Of 127.0.0.1, for programs that cannot be told port 0. Below 55536, so that Redis Cluster's bus, 10,000 further up, is a port too. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    if (port < 55_536) return port
  }
}

export async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
