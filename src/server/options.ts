import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Listener } from '../../config/formats/listeners.ts'
import type { ErrorCode } from '../http/errors.ts'
import type { Endpoints, ModeHandler, Serves } from '../http/handler.ts'
import type { Upgrade } from '../http/response.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { LogRequest } from '../observability/request-log.ts'
import type { ConnectionLimits } from './connection-limit.ts'
import type { RenderError } from './error-response.ts'
import type { RequestTimeouts } from './listen/listener.ts'
import type { TlsOptions } from './listen/tls.ts'

/** What answers requests. A reload of the configuration replaces it as one, so no request sees half of each. */
export type RequestHandlers = Readonly<{
  /** The mode: everything outside `/elastauth/`. */
  handle: ModeHandler
  /** The right to become something other than HTTP, for those that ask for it and `isUpgrade` accepts. */
  upgrade?: (request: IncomingMessage) => Promise<Upgrade>
  endpoints: Endpoints
  /** Whether a pipelined request is authenticated only when the earlier responses of its connection have been sent. */
  inTurn?: boolean
  renderError: RenderError
}>

export type ServerOptions = Readonly<{
  /** Where to listen, and what is served there: by default everything. */
  listeners: readonly (Listener & Readonly<{ serves?: Serves }>)[]
  /** Permissions of unix sockets. */
  mode?: number
  /** For the listeners with TLS. */
  tls?: TlsOptions
  handlers: () => RequestHandlers
  logRequest: LogRequest
  /** What happens before there is a request, such as one that is no HTTP. */
  logFault: (code: ErrorCode, address: string | undefined, error?: unknown) => void
  logTlsFailure?: (reason: string, address: string | undefined) => void
  metrics: Metrics
  /** Node's own limits where absent. */
  requestTimeouts?: RequestTimeouts
  /** Maximum for all listeners together; further connections are closed at once. */
  connectionLimits?: ConnectionLimits
  /** Requests that go to `RequestHandlers.upgrade`; none where absent. */
  isUpgrade?: (request: IncomingMessage) => boolean
  onUnixConnection?: (socket: Socket) => void
}>
