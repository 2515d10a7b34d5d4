import { createServer } from 'node:http'
import { attachHandlers, http1Options } from './http1.ts'
import type { Handlers, OpenListener } from './listener.ts'

/** HTTP/1.1 without TLS. @param requestTimeout for a whole request to arrive, in milliseconds; 0 for any time */
export function createPlainListener(handlers: Handlers, requestTimeout: number): OpenListener {
  const server = createServer({ ...http1Options(handlers), requestTimeout })
  attachHandlers(server, handlers)
  return Object.freeze({
    server,
    closeIdle: () => server.closeIdleConnections(),
    cut: () => server.closeAllConnections(),
  })
}
