import type { Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import type { TlsOptions } from './tls.ts'

/** An error of a connection, as Node or undici reports it. */
export type ConnectionError = Error & { code?: string; socket?: Readonly<{ bytesRead?: number | undefined }> | null }

export type PoolOptions = Readonly<{
  /** For connecting, for the head of a response, and between two chunks of its body. */
  timeoutMs: number
  /** How long an idle connection is kept. An upstream's `Keep-Alive` header may shorten it. */
  idleTimeoutMs: number
}>

/** A host that is up responds to a SYN at once. A longer wait would only delay the attempt at the next address or upstream. */
const maxConnectTimeoutMs = 10_000

/** For all headers of a response together. */
const maxHeaderBytes = 64 * 1024

/**
 * The connections to one upstream: as many as there are concurrent requests, without pipelining.
 * @param tls only for an https upstream
 */
export function createPool(url: URL, { timeoutMs, idleTimeoutMs }: PoolOptions, tls: TlsOptions | undefined): Pool {
  const connect = buildConnector({ ...tls, allowH2: false, timeout: Math.min(timeoutMs, maxConnectTimeoutMs) })
  return new Pool(url.origin, {
    // undici would verify the certificate for the name in the request's Host header, which the client chooses.
    connect({ servername: _, ...options }, callback) {
      connect(options, (...result) => {
        const [, socket] = result
        socket?.on('error', destroyOnError)
        callback(...result)
      })
    },
    pipelining: 1,
    keepAliveTimeout: idleTimeoutMs,
    keepAliveMaxTimeout: idleTimeoutMs,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxHeaderSize: maxHeaderBytes,
  })
}

/** Rewrites socket errors before undici's listener sees them, so that a reset does not look like a normal end. */
function destroyOnError(this: Socket, error: ConnectionError): void {
  // As undici's SocketError has it.
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') error.socket = { bytesRead: this.bytesRead }
  // undici treats a reset as the end of a response without a length, so a truncated response would look complete (RFC 9112, section 8).
  if (error.code === 'ECONNRESET') error.code = 'UND_ERR_SOCKET'
  // Node keeps reading after a TLS alert. undici would report the closed connection instead of the alert.
  this.destroy(error)
}

/**
 * Whether the upstream closed a reused connection. If no response to the current request had begun, the upstream may not have
 * processed the request: it may close an idle connection at any time (RFC 9112, section 9.6).
 */
export function isStaleConnection({ code, socket }: ConnectionError): boolean {
  const isClose = code === 'UND_ERR_SOCKET' || code === 'EPIPE'
  return isClose && (socket?.bytesRead ?? 0) > 0
}
