import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** `host:port` */
export type Address = string

/** Starts a server on a free port, until `cleanup` is disposed of. */
export async function listen(server: Server, cleanup: AsyncDisposableStack): Promise<Address> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanup.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
