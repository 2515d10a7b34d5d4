import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { type Duplex, duplexPair, type Readable } from 'node:stream'
import type { Peer } from '../auth/trust/trust.ts'
import { type ErrorCode, GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { serializeResponse } from '../http/response.ts'
import type { Outcome } from '../observability/request-log.ts'
import { createHttp1Server } from '../server/http1/server.ts'
import { defaultRequestTimeouts } from '../server/listen/limits.ts'
import type { RequestHandlers, ServerOptions } from '../server/options.ts'
import { createRequestHandler } from '../server/request-handler.ts'

export type Connection = Readonly<{ peer: Peer; listener: ServerOptions['listeners'][number] }>

export type Response = Readonly<{
  status: number
  /** The names of the headers, in order. */
  headers: readonly string[]
  /** Set if there was no request, for example because its bytes are not HTTP. */
  fault: ErrorCode | undefined
}>

const requestId = 'explain'

/**
 * Sends a request to the request handlers through Node's own parser, over a connection in memory.
 * @param onHandled called when the response has been written
 */
export async function exchange(
  head: Buffer,
  connection: Connection,
  handlers: RequestHandlers,
  onHandled: (context: RequestContext, outcome: Outcome) => void,
): Promise<Response> {
  let fault: ErrorCode | undefined
  const { server } = createHttp1Server(
    {
      onRequest: createRequestHandler({
        handlers: () => handlers,
        logRequest: (context, _response, outcome) => onHandled(context, outcome),
        logFault: (code) => {
          fault = code
        },
        serves: connection.listener.serves ?? 'everything',
        nextRequestId: () => requestId,
        isClosing: () => false,
      }),
      isUpgrade: () => false,
      renderInvalid(code) {
        fault = code
        return serializeResponse(handlers.renderError({ headers: {} }, new GatewayError(code, code), requestId))
      },
      onTlsFailure: () => {},
    },
    defaultRequestTimeouts,
    createServer,
  )
  const [client, served] = duplexPair()
  server.emit('connection', asSocket(served, connection))
  client.write(head)
  try {
    const [statusLine = '', ...lines] = (await readHead(client)).split('\r\n')
    return {
      status: Number(statusLine.split(' ')[1]),
      headers: lines.map((line) => line.slice(0, line.indexOf(':'))),
      fault,
    }
  } finally {
    client.destroy()
    served.destroy()
  }
}

/** A stream with the properties of a socket that the handlers read. */
function asSocket(stream: Duplex, { peer, listener }: Connection): Socket {
  const { host, port } = listener.kind === 'tcp' ? listener : { host: undefined, port: undefined }
  return Object.assign(stream, {
    remoteAddress: peer.address,
    localAddress: host,
    localPort: port,
    ...(listener.isTls && { encrypted: true }),
  }) as unknown as Socket
}

async function readHead(client: Readable): Promise<string> {
  let text = ''
  for await (const chunk of client.iterator({ destroyOnReturn: false })) {
    text += chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    if (end !== -1) return text.slice(0, end)
  }
  throw new Error('the connection was closed without a response')
}
