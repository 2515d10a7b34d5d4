import { errors } from 'undici'
import { GatewayError } from '../http/errors.ts'
import { hintFor } from './upstream-hint.ts'

const codes: Readonly<Record<string, 'overloaded' | 'upstream_timeout' | 'upstream_protocol' | 'internal'>> = {
  // Not the upstream's fault: we have no file descriptor or memory left for a connection.
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
 * A failed exchange with an upstream, as one of ours. What undici and Node say names addresses and certificates, no headers.
 * @param isBeforeAnswer whether nothing of an answer had come
 */
export function toUpstreamError(
  error: Error & { code?: string },
  upstream: string,
  isBeforeAnswer: boolean,
): GatewayError {
  if (error instanceof GatewayError) return error
  const fix = hintFor(error, upstream, isBeforeAnswer)
  const detail = `${upstream}: ${error.code ?? error.name}: ${reasonOf(error).trim()}${fix ? `; ${fix}` : ''}`
  return new GatewayError(codeOf(error), detail, { cause: error })
}

function codeOf(error: Error & { code?: string }) {
  if (error instanceof errors.HTTPParserError) return 'upstream_protocol'
  if (error instanceof errors.SocketError && /^bad /.test(error.message)) return 'upstream_protocol'
  if (error.code?.startsWith('HPE_')) return 'upstream_protocol' // Node's own client, for upgrades
  return codes[error.code ?? ''] ?? 'upstream_unavailable'
}

/** Several addresses of one name fail together, and only the parts say how. */
function reasonOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message
  return error.errors.map((part) => (part instanceof Error ? part.message : String(part))).join(', ')
}
