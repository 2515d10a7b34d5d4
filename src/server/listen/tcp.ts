import { createServer } from 'node:http'
import { createHttp1 } from '../http1/server.ts'
import type { Handlers, OpenListener, RequestTimeouts } from './listener.ts'
import { followSockets } from './open-sockets.ts'

/** HTTP/1.1 without TLS. */
export function createPlainListener(handlers: Handlers, timeouts: RequestTimeouts): OpenListener {
  const http1 = createHttp1(handlers, timeouts)
  const server = createServer(http1.options)
  http1.attach(server)
  return Object.freeze({
    server,
    closeIdle: () => server.closeIdleConnections(),
    cut: followSockets(server).cut,
  })
}
