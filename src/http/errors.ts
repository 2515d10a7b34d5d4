/**
 * Every way a request can fail, in one table: what the client is told, and how loudly we log it.
 * The public message never says more than this table; the `detail` of a {@link GatewayError} goes to the log only.
 */
const table = {
  identity_missing: { status: 401, level: 'info', message: 'Authentication required' },
  peer_untrusted: { status: 401, level: 'warn', message: 'Authentication required' },
  identity_invalid: { status: 400, level: 'warn', message: 'The identity sent with this request is not valid' },
  group_denied: { status: 403, level: 'info', message: 'None of your groups may use this service' },
  no_roles: { status: 403, level: 'info', message: 'None of your groups gives you a role' },
  user_reserved: { status: 403, level: 'warn', message: 'This username is reserved' },
  user_foreign: { status: 403, level: 'warn', message: 'This username belongs to a user that is managed elsewhere' },
  user_disabled: { status: 403, level: 'warn', message: 'This user is disabled' },
  key_conflict: { status: 503, level: 'error', message: 'This user is managed by another installation' },
  password_change_denied: { status: 403, level: 'warn', message: 'Passwords are managed by this gateway' },
  login_failed: { status: 400, level: 'warn', message: 'The login did not succeed' },
  login_denied: { status: 403, level: 'info', message: 'The identity provider did not let you in' },
  login_insecure: { status: 400, level: 'warn', message: 'Logins need HTTPS' },
  logout_invalid: { status: 400, level: 'warn', message: 'The logout token is not valid' },
  cross_site: { status: 403, level: 'warn', message: 'This request comes from another site' },
  not_permitted: { status: 403, level: 'info', message: 'You may not read this page' },
  not_found: { status: 404, level: 'info', message: 'There is no such page' },
  method_not_allowed: { status: 405, level: 'info', message: 'This method is not possible here' },
  headers_too_large: { status: 431, level: 'warn', message: 'The request has too many headers, or too large ones' },
  payload_invalid: { status: 400, level: 'warn', message: 'The request is malformed' },
  http_version_unsupported: { status: 505, level: 'warn', message: 'This version of HTTP is not supported here' },
  request_timeout: { status: 408, level: 'info', message: 'The request did not arrive in time' },
  token_invalid: { status: 401, level: 'warn', message: 'The token sent with this request is not valid' },
  token_expired: { status: 401, level: 'info', message: 'The token sent with this request has expired' },
  provider_unavailable: { status: 503, level: 'error', message: 'The identity provider is not available right now' },
  sessions_unavailable: { status: 503, level: 'error', message: 'Sessions are not available right now' },
  elasticsearch_unavailable: { status: 503, level: 'error', message: 'Elasticsearch is not available right now' },
  elasticsearch_rejected: { status: 502, level: 'error', message: 'Elasticsearch refused to prepare your user' },
  upstream_unavailable: { status: 502, level: 'error', message: 'The service behind this gateway is not available' },
  upstream_protocol: { status: 502, level: 'error', message: 'The service behind this gateway gave no valid answer' },
  upstream_timeout: { status: 504, level: 'error', message: 'The service behind this gateway did not answer in time' },
  overloaded: { status: 503, level: 'error', message: 'This gateway has too much to do right now' },
  stopping: { status: 503, level: 'error', message: 'This gateway is being stopped' },
  /** For the log only: there is nobody to tell. */
  client_closed: { status: 499, level: 'info', message: 'The client left' },
  internal: { status: 500, level: 'error', message: 'Something went wrong on our side' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof table
export type ErrorRow = Readonly<{ status: number; level: 'info' | 'warn' | 'error'; message: string }>

export const errorTable: Readonly<Record<ErrorCode, ErrorRow>> = Object.freeze(table)

/** A failure with a public code and a private explanation. `detail` must not hold a secret: it is logged. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly detail: string
  /** Whose request it was, where that is known. */
  readonly username: string | undefined
  /** The methods that are possible, where another was tried. */
  readonly allow: readonly string[]

  constructor(
    code: ErrorCode,
    detail: string,
    options?: { cause?: unknown; username?: string; allow?: readonly string[] },
  ) {
    super(`${code}: ${detail}`, options)
    this.code = code
    this.detail = detail
    this.username = options?.username
    this.allow = options?.allow ?? []
  }
}

/** The same failure, with the name of the user whose request it was. */
export function withUsername(thrown: unknown, username: string): GatewayError {
  const error = asGatewayError(thrown)
  return error.username === undefined
    ? new GatewayError(error.code, error.detail, { cause: error.cause, username })
    : error
}

/** Anything thrown, as a GatewayError; what we did not foresee becomes `internal`. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  return new GatewayError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
}
