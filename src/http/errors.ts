import { escapeControls } from './escape-controls.ts'

/**
 * Every way in which a request can fail: the status and message that the client gets, and the level of the log line.
 * The client gets no other text: a {@link GatewayError}'s `detail` is only logged.
 */
const table = {
  identity_missing: { status: 401, level: 'info', message: 'Authentication required' },
  peer_untrusted: { status: 401, level: 'warn', message: 'Authentication required' },
  identity_invalid: { status: 400, level: 'warn', message: 'The identity sent with this request is not valid' },
  group_denied: { status: 403, level: 'info', message: 'None of your groups has access to this service' },
  no_roles: { status: 403, level: 'info', message: 'None of your groups is mapped to a role' },
  user_reserved: { status: 403, level: 'warn', message: 'This username is reserved' },
  user_foreign: { status: 403, level: 'warn', message: 'This username belongs to a user that is managed elsewhere' },
  user_disabled: { status: 403, level: 'warn', message: 'This user is disabled' },
  key_conflict: { status: 503, level: 'error', message: 'This user is managed by another installation' },
  password_change_denied: { status: 403, level: 'warn', message: 'Passwords are managed by this gateway' },
  login_failed: { status: 400, level: 'warn', message: 'Login failed' },
  login_denied: { status: 403, level: 'info', message: 'Access denied by the identity provider' },
  login_insecure: { status: 400, level: 'warn', message: 'Login requires HTTPS' },
  logout_invalid: { status: 400, level: 'warn', message: 'The logout token is not valid' },
  cross_site: { status: 403, level: 'warn', message: 'This request came from another site' },
  not_permitted: { status: 403, level: 'info', message: 'You are not allowed to view this page' },
  not_found: { status: 404, level: 'info', message: 'Page not found' },
  method_not_allowed: { status: 405, level: 'info', message: 'This method is not allowed here' },
  headers_too_large: { status: 431, level: 'warn', message: 'The request headers are too large' },
  payload_invalid: { status: 400, level: 'warn', message: 'The request is malformed' },
  payload_too_large: { status: 413, level: 'warn', message: 'The request is too large' },
  http_version_unsupported: { status: 505, level: 'warn', message: 'This HTTP version is not supported' },
  request_timeout: { status: 408, level: 'info', message: 'The request did not arrive in time' },
  token_invalid: { status: 401, level: 'warn', message: 'The token sent with this request is not valid' },
  token_expired: { status: 401, level: 'info', message: 'The token sent with this request has expired' },
  revoked: { status: 401, level: 'warn', message: 'You have been signed out' },
  credential_invalid: { status: 401, level: 'warn', message: 'The credentials sent with this request are not valid' },
  too_many_attempts: { status: 429, level: 'warn', message: 'Too many failed attempts, try again later' },
  provider_unavailable: { status: 503, level: 'error', message: 'The identity provider is not available right now' },
  provider_rejected: { status: 502, level: 'error', message: 'The identity provider rejected this gateway' },
  sessions_unavailable: { status: 503, level: 'error', message: 'Sessions are not available right now' },
  elasticsearch_unavailable: { status: 503, level: 'error', message: 'Elasticsearch is not available right now' },
  elasticsearch_rejected: { status: 502, level: 'error', message: 'Elasticsearch rejected the update of your user' },
  upstream_unavailable: { status: 502, level: 'error', message: 'The service behind this gateway is not available' },
  upstream_protocol: {
    status: 502,
    level: 'error',
    message: 'The service behind this gateway sent an invalid response',
  },
  upstream_timeout: { status: 504, level: 'error', message: 'The service behind this gateway did not respond in time' },
  audit_unavailable: { status: 503, level: 'error', message: 'The audit log is not available right now' },
  overloaded: { status: 503, level: 'error', message: 'This gateway is overloaded' },
  stopping: { status: 503, level: 'error', message: 'This gateway is shutting down' },
  /** Appears only in the log, because there is no client left to respond to. */
  client_closed: { status: 499, level: 'info', message: 'The client closed the connection' },
  internal: { status: 500, level: 'error', message: 'An internal error occurred' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof table
export type ErrorRow = Readonly<{ status: number; level: 'info' | 'warn' | 'error'; message: string }>

export const errorTable: Readonly<Record<ErrorCode, ErrorRow>> = Object.freeze(table)

/** Elasticsearch's reason for an error may be as long as its longest accepted response. */
const maxDetailLength = 8192

/**
 * An error with a public code and a private explanation. `detail` must not contain a secret, because it is logged. Its control
 * characters are escaped and its length is limited, because it may quote a service.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly detail: string
  /** The user who sent the request, if known. */
  readonly username: string | undefined
  /** The methods that the endpoint allows, for `method_not_allowed`. */
  readonly allow: readonly string[]
  /** When the client may try again; undefined if unknown. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    detail: string,
    options?: { cause?: unknown; username?: string; allow?: readonly string[]; retryAfterSeconds?: number },
  ) {
    const escaped = escapeControls(detail.slice(0, maxDetailLength))
    super(`${code}: ${escaped}`, options)
    this.code = code
    this.detail = escaped
    this.username = options?.username
    this.allow = options?.allow ?? []
    this.retryAfterSeconds = options?.retryAfterSeconds
  }
}

/** The same error with a username, unless it has one. */
export function withUsername(thrown: unknown, username: string): GatewayError {
  const error = asGatewayError(thrown)
  return error.username === undefined
    ? new GatewayError(error.code, error.detail, { cause: error.cause, username })
    : error
}

/** Converts any thrown value to a GatewayError; an unexpected one becomes `internal`. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  return new GatewayError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
}
