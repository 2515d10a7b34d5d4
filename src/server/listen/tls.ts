import { constants } from 'node:crypto'
import { createServer } from 'node:https'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import type { ConnectionBudget } from '../connection-limit.ts'
import { createHttp1Server } from '../http1/server.ts'
import { createHttp2Protocol } from '../http2/session.ts'
import { http1Limits } from './limits.ts'
import type { ListenerHandle, ListenerHandlers, RequestTimeouts } from './listener.ts'

export type TlsOptions = Readonly<{
  /** PEM text of the certificate; `key` and `clientCa` are PEM too. */
  cert: string | undefined
  key: string | undefined
  clientCa: string | undefined
  clientAuth: 'none' | 'request' | 'require'
}>

/**
 * The TLS 1.2 ciphers that HTTP/2 permits (RFC 9113, section 9.2.2) and those of TLS 1.3: all have forward secrecy and
 * authenticated encryption.
 */
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

/** The options that a renewed certificate replaces. */
export function contextOptions({ cert, key, clientCa, clientAuth }: TlsOptions): SecureContextOptions {
  // With client certificates, TLS sessions are not resumed: Node would not verify the certificate again, even if it has
  // expired or its CA has been replaced.
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

export type TlsListenerOptions = Readonly<{
  handlers: ListenerHandlers
  timeouts: RequestTimeouts
  tls: TlsOptions
  /** See `ConnectionBudget`; by default, it accepts every weight. */
  setWeight?: ConnectionBudget['setWeight']
}>

/**
 * HTTP/2 and HTTP/1.1 on one port. The client selects the protocol by ALPN (RFC 7301), and gets HTTP/1.1 without ALPN.
 */
export function createTlsListener({
  handlers,
  timeouts,
  tls,
  setWeight = () => true,
}: TlsListenerOptions): ListenerHandle {
  const http1 = createHttp1Server(handlers, timeouts, (options) =>
    createServer({
      ...options,
      ...contextOptions(tls),
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: http1Limits.headersTimeout,
      requestCert: tls.clientAuth !== 'none',
      rejectUnauthorized: tls.clientAuth === 'require',
    }),
  )
  const { server } = http1
  const http2 = createHttp2Protocol(handlers.onRequest, setWeight)

  // https.Server's own listener treats every connection as HTTP/1.1, so it is called only if ALPN selected HTTP/1.1.
  const [acceptHttp1] = server.rawListeners('secureConnection') as ((socket: TLSSocket) => void)[]
  server.removeAllListeners('secureConnection').on('secureConnection', (socket) => {
    if (!server.listening) socket.destroy()
    else if (socket.alpnProtocol === 'h2') http2.accept(socket)
    else acceptHttp1!.call(server, socket)
  })
  // Replaces the listener of https.Server, which reports a failed handshake as a `clientError`, although no error
  // response can be sent.
  server.removeAllListeners('tlsClientError').on('tlsClientError', (error, socket) => {
    handlers.onTlsFailure(error, socket)
    socket.destroy()
  })

  return Object.freeze({
    ...http1,
    close() {
      http2.close()
      return http1.close()
    },
    renewCertificates: (context) => server.setSecureContext(context),
  })
}
