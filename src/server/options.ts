import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Listener } from '../../config/formats/listeners.ts'
import type { Endpoints, ListenerScope, ModeHandler } from '../http/handler.ts'
import type { RequestReader } from '../http/request-context.ts'
import type { LogFault } from '../observability/connection-events.ts'
import type { RequestMetrics } from '../observability/metrics/metrics.ts'
import type { LogRequest } from '../observability/request-log.ts'
import type { ConnectionLimits } from './connection-limit.ts'
import type { RenderError } from './error-response.ts'
import type { RequestTimeouts } from './listen/listener.ts'
import type { TlsOptions } from './listen/tls.ts'

/**
 * Everything that responds to requests. A reload replaces it as a whole, so that no request uses parts of two
 * configurations.
 */
export type RequestHandlers = Readonly<{
  reader: RequestReader
  /** Handles every request outside `/elastauth/`. */
  handle: ModeHandler
  /** Handles every upgrade request that `ServerOptions.isUpgrade` accepts. */
  upgrade?: ModeHandler
  endpoints: Endpoints
  /** The endpoints of listeners for metrics; undefined if metrics are disabled. */
  metricsEndpoints?: Endpoints | undefined
  /** Whether a pipelined request is handled only when the earlier responses of its connection have been sent. */
  waitsForPreviousResponses?: boolean
  renderError: RenderError
}>

export type ServerOptions = Readonly<{
  /** The addresses to listen on, and what each of them serves: by default everything. */
  listeners: readonly (Listener & Readonly<{ serves?: ListenerScope }>)[]
  unixSocketMode?: number
  /** Required if there is a listener with TLS. */
  tls?: TlsOptions
  handlers: () => RequestHandlers
  logRequest: LogRequest
  /** Called for errors that belong to no request, such as invalid HTTP. */
  logFault: LogFault
  logTlsFailure?: (reason: string, address: string | undefined) => void
  /** Undefined if metrics are disabled. */
  metrics?: RequestMetrics | undefined
  /** By default `defaultRequestTimeouts`. */
  requestTimeouts?: RequestTimeouts
  /** Limits for all listeners together; connections beyond them are closed at once. By default there is no limit. */
  connectionLimits?: ConnectionLimits
  /** Whether a request is passed to `RequestHandlers.upgrade`. By default, no request is. */
  isUpgrade?: ((request: IncomingMessage) => boolean) | undefined
  onUnixConnection?: (socket: Socket) => void
}>
