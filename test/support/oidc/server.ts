import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { keepAlive } from '../keep-alive.ts'
import { findFreePort } from '../port.ts'

/** A server on a free port of `localhost`, which can be closed and reopened on the same port. */
export async function startServer(listener: RequestListener) {
  const server = createServer(keepAlive, listener)
  const listen = async (port: number) => {
    server.listen(port, 'localhost')
    await once(server, 'listening')
  }
  const port = await findFreePort()
  await listen(port)
  return Object.freeze({
    port,
    resume: () => listen(port),
    async pause() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  })
}
