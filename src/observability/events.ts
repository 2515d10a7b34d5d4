import type { ErrorCode } from '../http/errors.ts'
import type { Logger } from './log.ts'
import type { LogFields } from './log-fields.ts'

/**
 * `category` and `type` are combinations that ECS allows. `level` is absent for events that are logged on the line of the
 * request that failed with one of `errors`; `event.reason` is then the error code.
 */
export type EventRow = Readonly<{
  level?: 'info' | 'warn' | 'error' | 'fatal'
  errors?: readonly ErrorCode[]
  category: readonly string[]
  type: readonly string[]
  outcome: 'success' | 'failure'
  /** The values of `event.reason`, with what they mean. */
  reasons?: Readonly<Record<string, string>>
  meaning: string
}>

const userWritten = { level: 'info', category: ['iam'], type: ['user', 'change'], outcome: 'success' } as const
const iamFailure = { level: 'warn', category: ['iam'], type: ['user', 'info'], outcome: 'failure' } as const

/**
 * Every event that elastauth logs, by its `event.action`. docs/log-fields.md is written from this table by `npm run docs`.
 */
const table = {
  user_signed_in: {
    ...{ level: 'info', category: ['authentication', 'session'], type: ['start'], outcome: 'success' },
    meaning: 'a user signed in through the identity provider or with the form, and has a session',
  },
  user_signed_out: {
    ...{ level: 'info', category: ['authentication', 'session'], type: ['end'], outcome: 'success' },
    meaning: 'a user signed out',
  },
  session_ended: {
    ...{ level: 'info', category: ['session'], type: ['end'], outcome: 'success' },
    reasons: {
      provider_logout: 'the user signed out at the provider (back-channel logout)',
      refresh_rejected: 'the provider rejected the refresh token',
      claims_unusable: 'the claims after a refresh give no valid identity; the line before has the error',
      user_changed: 'the user of a sign-in form was removed, disabled or changed',
      idle_timeout: 'the session was not used for `session.idle_timeout`',
      lifetime: '`session.lifetime` has passed since the sign-in',
      too_many_sessions: 'the user has more than 50 sessions, and this is the oldest one',
      ended_by_user: 'the user ended it on the page `/elastauth/account`',
      ended_by_administrator: 'the administrator `user.name` ended it; `user.target.name` is its user',
    },
    meaning: 'elastauth ended a session, or noticed that it has expired',
  },
  tunnels_closed: {
    ...{ level: 'info', category: ['session'], type: ['end'], outcome: 'success' },
    meaning: 'the WebSockets of a user were closed, because the user was revoked, disabled or deleted',
  },
  refresh_failed: {
    ...{ level: 'warn', category: ['session'], type: ['info'], outcome: 'failure' },
    meaning: 'the claims of a session could not be refreshed; `error.code` has the reason',
  },
  sign_in_failed: {
    ...{ category: ['authentication'], type: ['start'], outcome: 'failure' },
    errors: ['login_failed', 'login_denied', 'login_insecure'],
    meaning: 'a sign-in failed, on the line of its request',
  },
  password_rejected: {
    ...{ level: 'warn', category: ['authentication'], type: ['start'], outcome: 'failure' },
    meaning:
      'a sign-in form was submitted with a wrong username or password; `user.name` is present only if the user exists',
  },
  token_rejected: {
    ...{ category: ['authentication'], type: ['start'], outcome: 'failure' },
    errors: ['token_invalid', 'token_expired', 'credential_invalid', 'logout_invalid'],
    meaning: 'a token, a key or a password was rejected, on the line of its request',
  },
  guessing_limited: {
    ...{ level: 'warn', category: ['authentication'], type: ['start'], outcome: 'failure' },
    reasons: {
      user_network: 'five failed attempts for a user from one network: blocked for five minutes',
      network: '50 failed attempts from one network: blocked for five minutes',
      user: '20 failed attempts for a user from networks that are new for the user: further ones are delayed',
    },
    meaning: 'too many attempts failed, as when passwords are guessed; once for each block',
  },
  attempt_rejected: {
    ...{ category: ['authentication'], type: ['start'], outcome: 'failure' },
    errors: ['too_many_attempts'],
    meaning: 'a password was not checked after too many failed attempts, on the line of its request',
  },
  users_changed: {
    ...{ level: 'info', category: ['configuration'], type: ['change'], outcome: 'success' },
    meaning: 'the users of `users.path` were read again after a change',
  },
  users_rejected: {
    ...{ level: 'error', category: ['configuration'], type: ['change'], outcome: 'failure' },
    meaning: 'the changed `users.path` has a fault, and the previous users stay in effect',
  },
  identity_rejected: {
    ...{ category: ['authentication'], type: ['start'], outcome: 'failure' },
    errors: ['peer_untrusted', 'identity_invalid'],
    meaning: 'an identity was rejected, on the line of its request',
  },
  access_denied: {
    ...{ category: ['web', 'network'], type: ['access', 'denied'], outcome: 'failure' },
    errors: [
      'group_denied',
      'no_roles',
      'user_reserved',
      'user_foreign',
      'user_disabled',
      'revoked',
      'cross_site',
      'not_permitted',
      'password_change_denied',
    ],
    meaning: 'access was denied, on the line of its request',
  },
  user_created: { ...userWritten, type: ['user', 'creation'], meaning: 'a user was created in Elasticsearch' },
  user_taken_over: {
    ...userWritten,
    meaning: 'an existing user was taken over (`elasticsearch.adopt_existing_users`)',
  },
  user_changed: { ...userWritten, meaning: 'roles or groups were written' },
  user_rotated: { ...userWritten, meaning: 'a new password after `cache.expiration`' },
  user_extended: { ...userWritten, meaning: "the password's lifetime was extended (`extend_cache`)" },
  user_healed: {
    ...userWritten,
    meaning: 'a new password, because Elasticsearch rejected the current one: something else changed the user',
  },
  user_rekeyed: {
    ...userWritten,
    level: 'warn',
    meaning: 'a user with an unknown secret key was taken over: [key rotation](key-rotation.md)',
  },
  user_denied: { ...userWritten, meaning: 'a denied user lost all roles and the password' },
  user_revoked: {
    ...userWritten,
    level: 'warn',
    meaning: 'an administrator revoked a user: former sign-ins, tokens and the password no longer work',
  },
  denial_failed: {
    ...iamFailure,
    meaning: 'the roles of a denied user could not be removed yet; elastauth retries',
  },
  user_denial_dropped: {
    ...iamFailure,
    meaning: "a denial was not written, because 10,000 others are pending; the user's next request retries",
  },
  revalidation_failed: {
    ...iamFailure,
    meaning: 'a cached credential could not be checked in the background; elastauth retries',
  },
  user_idle: { ...userWritten, meaning: "an idle user's password was replaced with one that is not issued" },
  idle_sweep_failed: {
    ...iamFailure,
    meaning:
      'idle users could not be listed, or the password of one could not be replaced; logged for the first such user of a sweep. The next sweep tries again',
  },
  user_disabled_idle: {
    ...userWritten,
    meaning:
      'a user was disabled after `user_retention.disable_after` of inactivity; the next sign-in enables the user',
  },
  user_enabled: {
    ...userWritten,
    meaning:
      'a disabled user was enabled: by the command `users enable`, or by a sign-in after `user_retention` had disabled the user; or elastauth noticed that an administrator had done so',
  },
  user_deleted: {
    ...userWritten,
    type: ['user', 'deletion'],
    meaning: 'a user was deleted after `user_retention.delete_after` of inactivity',
  },
  api_keys_invalidated: {
    ...userWritten,
    meaning: 'the API keys of a user were invalidated (`user_retention.invalidate_api_keys`)',
  },
  profile_failed: {
    ...iamFailure,
    meaning:
      'the Kibana profile of a user could not be activated (`kibana.activate_profile`); further failures are not logged until one succeeds',
  },
  retention_failed: {
    ...iamFailure,
    meaning:
      'an inactive user could not be disabled or deleted; logged for the first such user of a sweep. The next sweep tries again',
  },
  password_hash_rejected: {
    ...iamFailure,
    meaning: 'Elasticsearch rejects password hashes: set `elasticsearch.password_hashing: server`',
  },
  configuration_reloaded: {
    ...{ level: 'info', category: ['configuration'], type: ['change'], outcome: 'success' },
    meaning: 'SIGHUP: the configuration and the certificates were read again',
  },
  configuration_rejected: {
    ...{ level: 'error', category: ['configuration'], type: ['change'], outcome: 'failure' },
    meaning: 'SIGHUP: the new configuration has a fault, and the previous one stays in effect',
  },
  roles_compared: {
    ...{ level: 'info', category: ['iam'], type: ['info'], outcome: 'success' },
    meaning: 'after a reload that changed which groups give which roles: how many managed users gain or lose roles',
  },
  audit_down: {
    ...{ level: 'error', category: ['process'], type: ['info'], outcome: 'failure' },
    meaning: 'the [audit log](audit.md) cannot be written to one of its sinks; elastauth retries',
  },
  audit_up: {
    ...{ level: 'info', category: ['process'], type: ['info'], outcome: 'success' },
    meaning: 'the audit log is written to the sink again; the message has the number of dropped events',
  },
  audit_events_lost: {
    ...{ level: 'error', category: ['process'], type: ['info'], outcome: 'failure' },
    meaning: 'events that Elasticsearch rejected, or that were not written before the process ended',
  },
  redis_down: {
    ...{ level: 'warn', category: ['database'], type: ['error'], outcome: 'failure' },
    meaning: 'Redis cannot be used; elastauth continues without it',
  },
  redis_up: {
    ...{ level: 'info', category: ['database'], type: ['info'], outcome: 'success' },
    meaning: 'Redis can be used again',
  },
  elasticsearch_down: {
    ...{ level: 'error', category: ['database'], type: ['error'], outcome: 'failure' },
    meaning: 'at the start, Elasticsearch cannot be used or lacks a privilege; elastauth retries',
  },
  elasticsearch_up: {
    ...{ level: 'info', category: ['database'], type: ['info'], outcome: 'success' },
    meaning: 'after the start: Elasticsearch can be used, and the service account has its privileges',
  },
  provider_down: {
    ...{ level: 'error', category: ['network'], type: ['info'], outcome: 'failure' },
    meaning: 'the identity provider cannot be used; elastauth retries when the provider is needed',
  },
  provider_up: {
    ...{ level: 'info', category: ['network'], type: ['info'], outcome: 'success' },
    meaning: 'the identity provider can be used again',
  },
  traces_down: {
    ...{ level: 'warn', category: ['network'], type: ['info'], outcome: 'failure' },
    meaning: 'the collector of traces does not accept them; elastauth drops them until it does',
  },
  traces_up: {
    ...{ level: 'info', category: ['network'], type: ['info'], outcome: 'success' },
    meaning: 'traces are exported again',
  },
  connection_rejected: {
    ...{ level: 'warn', category: ['network'], type: ['connection', 'denied'], outcome: 'failure' },
    meaning: 'a connection failed before there was a request, for example because of invalid HTTP',
  },
  tls_failed: {
    ...{ level: 'info', category: ['network'], type: ['connection', 'info'], outcome: 'failure' },
    meaning: 'a TLS handshake failed',
  },
  connections_limited: {
    ...{ level: 'warn', category: ['network'], type: ['connection', 'denied'], outcome: 'failure' },
    meaning:
      'further connections are closed: those of a client that holds half of `max_connections`, or of every client, because all are in use',
  },
  started: {
    ...{ level: 'info', category: ['process'], type: ['start'], outcome: 'success' },
    meaning: 'elastauth listens',
  },
  stopped: {
    ...{ level: 'info', category: ['process'], type: ['end'], outcome: 'success' },
    meaning: 'SIGTERM or SIGINT: all requests in progress have ended, or `shutdown_timeout` has passed',
  },
  crashed: {
    ...{ level: 'fatal', category: ['process'], type: ['end'], outcome: 'failure' },
    meaning: 'a bug ended the process with exit code 1: please report it',
  },
} as const satisfies Record<string, EventRow>

export type EventAction = keyof typeof table
/** Categories of the events for the audit log: who signed in, was denied, or changed what. Outages are not among them. */
const auditedCategories = new Set(['authentication', 'iam', 'session', 'configuration', 'web'])

/** Receives an event for the audit log. */
export type RecordEvent = (fields: LogFields, message: string) => void

/** The second destination of a log's events, if there is an audit log. */
const recorders = new WeakMap<Logger, RecordEvent>()

/** Passes each event of a log on that belongs in an audit log, at any level of the log. */
export function recordEvents(log: Logger, record: RecordEvent): void {
  recorders.set(log, record)
}

export function isAudited(action: EventAction): boolean {
  return eventTable[action].category.some((name) => auditedCategories.has(name))
}

/** An event with a line of its own. */
type LineAction = {
  [Action in EventAction]: (typeof table)[Action] extends { level: string } ? Action : never
}[EventAction]

export const eventTable: Readonly<Record<EventAction, EventRow>> = Object.freeze(table)

/** Logs an event on a line of its own. The message is for people: the text format shows neither category nor type. */
export function logEvent(log: Logger, action: LineAction, fields: LogFields, message: string): void {
  const event = { ...eventFieldsOf(action), ...fields }
  if (isAudited(action)) recorders.get(log)?.(event, message)
  log[table[action].level](event, message)
}

const denials = new Map<ErrorCode, LogFields>(
  Object.entries(eventTable).flatMap(([action, { errors = [] }]) =>
    errors.map((code): [ErrorCode, LogFields] => [
      code,
      Object.freeze({ ...eventFieldsOf(action as EventAction), 'event.reason': code }),
    ]),
  ),
)

/** The fields that make the log line of a request with this error an event; undefined if this error is not one. */
export function denialFieldsOf(code: ErrorCode): LogFields | undefined {
  return denials.get(code)
}

function eventFieldsOf(action: EventAction): LogFields {
  const { category, type, outcome } = eventTable[action]
  return {
    'event.kind': 'event',
    'event.category': category,
    'event.type': type,
    'event.action': action,
    'event.outcome': outcome,
  }
}
