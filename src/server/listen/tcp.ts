import { createServer } from 'node:http'
import { createHttp1Protocol } from '../http1/server.ts'
import type { ListenerHandle, ListenerHandlers, RequestTimeouts } from './listener.ts'
import { trackSockets } from './open-sockets.ts'

/** HTTP/1.1 without TLS. */
export function createTcpListener(handlers: ListenerHandlers, timeouts: RequestTimeouts): ListenerHandle {
  const http1 = createHttp1Protocol(handlers, timeouts)
  const server = createServer(http1.options)
  http1.attach(server)
  return Object.freeze({
    server,
    closeIdle: () => server.closeIdleConnections(),
    destroyConnections: trackSockets(server).destroyAll,
  })
}
