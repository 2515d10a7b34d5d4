import { errors } from 'undici'
import { GatewayError } from '../http/errors.ts'
import { hintFor } from './upstream-hint.ts'

const codes: Readonly<Record<string, 'overloaded' | 'upstream_timeout' | 'upstream_protocol' | 'internal'>> = {
  // The upstream is not at fault: elastauth has no file descriptor or memory left for a connection.
  EMFILE: 'overloaded',
  ENFILE: 'overloaded',
  ENOBUFS: 'overloaded',
  ENOMEM: 'overloaded',
  UND_ERR_CONNECT_TIMEOUT: 'upstream_timeout',
  UND_ERR_HEADERS_TIMEOUT: 'upstream_timeout',
  UND_ERR_BODY_TIMEOUT: 'upstream_timeout',
  ETIMEDOUT: 'upstream_timeout',
  UND_ERR_HEADERS_OVERFLOW: 'upstream_protocol',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'upstream_protocol',
  ERR_INVALID_CHAR: 'upstream_protocol',
  ERR_HTTP_INVALID_STATUS_CODE: 'upstream_protocol',
  UND_ERR_INVALID_ARG: 'internal',
  UND_ERR_NOT_SUPPORTED: 'internal',
}

/**
 * Wraps an error of undici or Node. Quoting its message is safe: it contains addresses and names from certificates, but
 * no headers.
 * @param isBeforeResponse whether the error occurred before any part of a response had arrived
 */
export function toUpstreamError(
  error: Error & { code?: string },
  upstream: string,
  isBeforeResponse: boolean,
): GatewayError {
  if (error instanceof GatewayError) return error
  const hint = hintFor(error, upstream, isBeforeResponse)
  const detail = `${upstream}: ${error.code ?? error.name}: ${messageOf(error).trim()}${hint ? `; ${hint}` : ''}`
  return new GatewayError(errorCodeFor(error), detail, { cause: error })
}

function errorCodeFor(error: Error & { code?: string }) {
  if (error instanceof errors.HTTPParserError) return 'upstream_protocol'
  if (error instanceof errors.SocketError && /^bad /.test(error.message)) return 'upstream_protocol'
  if (error.code?.startsWith('HPE_')) return 'upstream_protocol' // an error of Node's HTTP parser, which only upgrades use
  return codes[error.code ?? ''] ?? 'upstream_unavailable'
}

/**
 * OpenSSL's reason, without its numbers and source files. If all addresses of a name fail, Node's error has no message of
 * its own, only the individual errors do.
 */
function messageOf(error: Error): string {
  if (!(error instanceof AggregateError))
    return error.message.replace(/^[\dA-F]+:error:[^:]*:[^:]*:[^:]*:([^:]+):.*$/s, '$1')
  return error.errors.map((part) => (part instanceof Error ? part.message : String(part))).join(', ')
}
