import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** `host:port` */
export type Address = string

/** Starts a server on a free port, until the end of what is given. */
export async function listen(server: Server, until: AsyncDisposableStack): Promise<Address> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  until.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
