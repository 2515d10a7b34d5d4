import { createServer } from 'node:http'
import { createHttp1Server } from '../http1/server.ts'
import type { ListenerHandle, ListenerHandlers, RequestTimeouts } from './listener.ts'
import { trackSockets } from './open-sockets.ts'

/** HTTP/1.1 without TLS. */
export function createTcpListener(handlers: ListenerHandlers, timeouts: RequestTimeouts): ListenerHandle {
  const { server, close } = createHttp1Server(handlers, timeouts, createServer)
  return Object.freeze({
    server,
    close,
    destroyConnections: trackSockets(server).destroyAll,
  })
}
