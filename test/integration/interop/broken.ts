import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { Address } from './listen.ts'

/** Says yes, and breaks off before that is all. */
export async function startBroken(until: AsyncDisposableStack): Promise<Address> {
  const server = createServer((socket) => {
    socket.on('error', () => {}) // a reset is a close too
    socket.end('HTTP/1.1 200 OK\r\nRemote-User: elastic\r\nAuthorization: Basic ZWxhc3Rp')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  until.defer(() => void server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
