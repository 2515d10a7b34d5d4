import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { asGatewayError, errorTable, type GatewayError } from '../http/errors.ts'
import { RequestContext } from '../http/request-context.ts'
import { type GatewayResponse, serializeResponse } from '../http/response.ts'
import { lingerTimeoutMs } from './listen/limits.ts'
import type { ServerOptions } from './options.ts'

/** @param onRequestEnd called when the tunnel has closed or the request has been rejected */
export function createUpgradeHandler(
  { handlers, logRequest, logFault, metrics }: Pick<ServerOptions, 'handlers' | 'logRequest' | 'logFault' | 'metrics'>,
  nextRequestId: () => string,
  onRequestEnd: (context: RequestContext, status: number) => void,
) {
  /** Handles a request to upgrade to another protocol, for which Node creates no response object. */
  return async function onUpgrade(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    fault: GatewayError | undefined,
  ): Promise<void> {
    try {
      await handleUpgrade(request, socket, head, fault)
    } catch (error) {
      logFault('internal', request.socket.remoteAddress, error)
      socket.destroy()
    }
  }

  async function handleUpgrade(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    fault: GatewayError | undefined,
  ): Promise<void> {
    const { upgrade, renderError, reader } = handlers()
    const context = new RequestContext(request, reader, nextRequestId(), performance.now())
    socket.on('error', () => {}) // `close` follows
    metrics.requestStarted()
    let username: string | undefined
    let error: GatewayError | undefined
    let status: number
    try {
      if (fault !== undefined) throw fault
      const accepted = await upgrade!(context)
      username = accepted.username
      const result = await accepted.tunnel(socket, head)
      status = result.status
      error = result.error
      if (error) metrics.failed(error.code)
    } catch (thrown) {
      error = asGatewayError(thrown)
      status = errorTable[error.code].status
      metrics.failed(error.code)
      reject(socket, renderError(request, error, context.id))
    }
    logRequest(context, undefined, { username, error, status })
    onRequestEnd(context, status)
  }
}

/**
 * Sends an error response, then destroys the connection. `destroySoon` would do the same, but Node passes a stream
 * without that method while it still expects a request body.
 */
function reject(socket: Socket, response: GatewayResponse): void {
  if (!socket.writable) return void socket.destroy()
  socket.end(serializeResponse(response), () => socket.destroy())
  const timer = setTimeout(() => socket.destroy(), lingerTimeoutMs) // in case the client does not read the response
  socket.once('close', () => clearTimeout(timer))
}
