import { toIp } from '../../config/hosts.ts'
import type { ErrorCode } from '../http/errors.ts'
import { logEvent } from './events.ts'
import type { Logger } from './log.ts'

type Fault = Readonly<{
  address: string | undefined
  /** The id in the error response, if there is one. */
  requestId?: string
  error?: unknown
}>

export type LogFault = (code: ErrorCode, fault: Fault) => void

/** Logs connections that fail or are closed before there is a request. */
export function createConnectionReporter(log: Logger) {
  return Object.freeze({
    /** For example, the client sent invalid HTTP. */
    rejected(code: ErrorCode, { address, requestId, error }: Fault): void {
      const fields = {
        'http.request.id': requestId,
        'error.code': code,
        'event.reason': code,
        'error.stack_trace': error instanceof Error ? error.stack : undefined,
        ...addressFields(address),
      }
      logEvent(log, 'connection_rejected', fields, `connection rejected: ${code}`)
    },

    tlsFailed(reason: string, address: string | undefined): void {
      logEvent(log, 'tls_failed', addressFields(address), `a TLS connection failed: ${reason}`)
    },

    limited(network: string): void {
      logEvent(
        log,
        'connections_limited',
        {},
        `further connections of ${network} are closed: it holds half of those that elastauth accepts. If many users share this address, raise max_connections, and the memory with it`,
      )
    },

    full(): void {
      logEvent(
        log,
        'connections_limited',
        {},
        'further connections are closed: all that elastauth accepts are in use. If these are connections of users, raise max_connections, and the memory with it, or start another replica',
      )
    },
  })
}

function addressFields(address: string | undefined) {
  return { 'client.ip': toIp(address), 'source.ip': toIp(address) }
}
