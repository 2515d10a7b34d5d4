import { startTcpUpstream } from '../../support/upstream.ts'
import type { Address } from './listen.ts'

/** Starts a 200 response, and closes the connection in the middle of its headers. */
export async function startTruncatingServer(): Promise<Address> {
  const { port } = await startTcpUpstream((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nRemote-User: elastic\r\nAuthorization: Basic ZWxhc3Rp')
  })
  return `127.0.0.1:${port}`
}
