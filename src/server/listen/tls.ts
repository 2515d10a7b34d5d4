import { constants } from 'node:crypto'
import { createServer } from 'node:https'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import type { ConnectionBudget } from '../connection-limit.ts'
import { createHttp1Protocol } from '../http1/server.ts'
import { createHttp2Protocol } from '../http2/session.ts'
import { http1Limits } from './limits.ts'
import type { ListenerHandle, ListenerHandlers, RequestTimeouts } from './listener.ts'
import { trackSockets } from './open-sockets.ts'

export type TlsOptions = Readonly<{
  /** PEM texts. */
  cert: string | undefined
  key: string | undefined
  clientCa: string | undefined
  clientAuth: 'none' | 'request' | 'require'
}>

/** What HTTP/2 allows of TLS 1.2 (RFC 9113, 9.2.2), and what TLS 1.3 has: all with forward secrecy and authenticated encryption. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** What a renewed certificate replaces. Throws where the texts are no pair. */
export function contextOptions({ cert, key, clientCa, clientAuth }: TlsOptions): SecureContextOptions {
  // A resumed session keeps the verdict on its certificate, whatever became of that, or of its CA, since.
  const noResumption = clientAuth === 'none' ? 0 : constants.SSL_OP_NO_TICKET
  return {
    cert,
    key,
    ca: clientAuth === 'none' ? undefined : clientCa,
    ciphers,
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | noResumption,
  }
}

/** HTTP/2 and HTTP/1.1 on one port, as the client chooses by ALPN (RFC 7301); HTTP/1.1 where it has no ALPN. */
export function createTlsListener(
  handlers: ListenerHandlers,
  timeouts: RequestTimeouts,
  tls: TlsOptions,
  weigh: ConnectionBudget['weigh'] = () => true,
): ListenerHandle {
  const http1 = createHttp1Protocol(handlers, timeouts)
  const server = createServer({
    ...http1.options,
    ...contextOptions(tls),
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: http1Limits.headersTimeout,
    requestCert: tls.clientAuth !== 'none',
    rejectUnauthorized: tls.clientAuth === 'require',
  })
  http1.attach(server)
  const http2 = createHttp2Protocol(handlers.onRequest, weigh)

  // https.Server takes every connection for HTTP/1.1. It is to be asked about those that are.
  const [takeHttp1] = server.rawListeners('secureConnection') as ((socket: TLSSocket) => void)[]
  server.removeAllListeners('secureConnection').on('secureConnection', (socket) => {
    if (!server.listening) socket.destroy()
    else if (socket.alpnProtocol === 'h2') http2.take(socket)
    else takeHttp1!.call(server, socket)
  })
  // … and it would take a failed handshake for a faulty request, which can be answered.
  server.removeAllListeners('tlsClientError').on('tlsClientError', (error, socket) => {
    handlers.onTlsFailure(error, socket)
    socket.destroy()
  })

  return Object.freeze({
    server,
    closeIdle() {
      http2.close()
      server.closeIdleConnections()
    },
    cut: trackSockets(server).cut,
    renew: (context) => server.setSecureContext(context),
  })
}
