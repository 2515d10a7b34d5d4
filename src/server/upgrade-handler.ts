import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { asGatewayError, errorTable, type GatewayError } from '../http/errors.ts'
import { serializeResponse } from '../http/response.ts'
import { checkHeaderCount } from './http1/header-limit.ts'
import { lingerTimeoutMs } from './listen/limits.ts'
import type { ServerOptions } from './options.ts'

/** @param ended called when a tunnel has closed, or there was none */
export function createUpgradeHandler(
  { handlers, logRequest, logFault, metrics }: Pick<ServerOptions, 'handlers' | 'logRequest' | 'logFault' | 'metrics'>,
  nextId: () => string,
  ended: (request: IncomingMessage, status: number, startedAt: number) => void,
) {
  /** A connection that becomes something other than HTTP: the same as for a request, without a response object. */
  return async function onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    try {
      await answer(request, socket, head)
    } catch (error) {
      logFault('internal', request.socket.remoteAddress, error)
      socket.destroy()
    }
  }

  async function answer(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const startedAt = performance.now()
    const requestId = nextId()
    const { upgrade, renderError } = handlers()
    socket.on('error', () => {}) // a reset is a close too
    metrics.requestStarted()
    let username: string | undefined
    let error: GatewayError | undefined
    let status: number
    let isRefused = false
    const refuse = (failure: GatewayError) => {
      if (socket.writable && !isRefused) socket.write(serializeResponse(renderError(request, failure, requestId)))
      isRefused = true
    }
    try {
      checkHeaderCount(request)
      const admitted = await upgrade!(request)
      username = admitted.username
      const end = await admitted.tunnel(socket, head, refuse)
      status = end.status
      error = end.error
      if (error) metrics.failed(error.code)
    } catch (thrown) {
      error = asGatewayError(thrown)
      status = errorTable[error.code].status
      metrics.failed(error.code)
      refuse(error)
      // While a body is still to come, Node gives us another stream in place of the socket, without `destroySoon`.
      socket.end(() => socket.destroy())
      const cut = setTimeout(() => socket.destroy(), lingerTimeoutMs) // a client that does not read leaves no room for it
      socket.once('close', () => clearTimeout(cut))
    }
    logRequest(request, undefined, { requestId, startedAt, username, error, status })
    ended(request, status, startedAt)
  }
}
