/** A field of the log, as docs/log-fields.md describes it. `type` is the field's type in Elasticsearch. */
export type FieldRow = Readonly<{ type: string; on: string; meaning: string }>

/**
 * Every field that elastauth logs, most of them of the Elastic Common Schema (ECS) 8.17. `npm run docs` writes this table
 * to docs/log-fields.md.
 */
const table = {
  '@timestamp': { type: 'date', on: 'every line', meaning: 'when the line was written, in UTC with milliseconds' },
  'log.level': {
    type: 'keyword',
    on: 'every line',
    meaning: '`debug`, `info`, `warn`, `error` or `fatal`; `log_level` sets the minimum',
  },
  message: { type: 'text', on: 'every line', meaning: 'what happened, and what to do if something is wrong' },
  'ecs.version': { type: 'keyword', on: 'every line', meaning: 'the version of ECS' },
  'service.name': { type: 'keyword', on: 'every line', meaning: '`elastauth`' },
  'http.request.id': {
    type: 'keyword',
    on: 'requests, sign-ins, sign-outs, rejected connections',
    meaning: 'the `request_id` that an error response shows to the user; upstreams get it as `X-Opaque-Id`',
  },
  'labels.client_request_id': {
    type: 'keyword',
    on: 'requests with a valid `X-Request-Id`',
    meaning: 'the id that the client or a proxy gave the request',
  },
  'trace.id': {
    type: 'keyword',
    on: 'requests',
    meaning: 'the trace of the request, from a valid `traceparent` or of elastauth itself ([traces](tracing.md))',
  },
  'span.id': { type: 'keyword', on: 'requests', meaning: 'the span of the request in its trace' },
  'http.request.method': { type: 'keyword', on: 'requests', meaning: 'the method of the original request' },
  'url.domain': {
    type: 'keyword',
    on: 'requests',
    meaning: 'the host of the original request, if a trusted proxy reports it',
  },
  'url.path': {
    type: 'wildcard',
    on: 'requests',
    meaning: 'the path of the original request, without the query; control characters are percent-encoded',
  },
  'http.response.status_code': {
    type: 'long',
    on: 'requests',
    meaning: 'the status that the client received; 499 if the client disconnected before the end of the response',
  },
  'event.duration': {
    type: 'long',
    on: 'requests',
    meaning: "nanoseconds from the request's arrival to the end of its response",
  },
  'client.ip': {
    type: 'ip',
    on: 'requests, sign-ins, sign-outs, rejected connections',
    meaning: 'the address of the client, as the trusted proxy reports it; without such a proxy, that of the peer',
  },
  'source.ip': {
    type: 'ip',
    on: 'requests, rejected connections',
    meaning: 'the address of the peer: behind a reverse proxy that of the proxy',
  },
  'user.name': {
    type: 'keyword',
    on: 'requests, events of a user',
    meaning: 'the user, if known, even if the request was denied',
  },
  'user.target.name': {
    type: 'keyword',
    on: "administrators' actions",
    meaning: 'the user whom the action of `user.name` affects',
  },
  'elastauth.provider': {
    type: 'keyword',
    on: '`user_signed_in`',
    meaning: 'the provider of the identity, as `/elastauth/whoami` shows it: `oidc`, or `users` for the sign-in form',
  },
  'elastauth.credential.realm': {
    type: 'keyword',
    on: 'requests with a credential of Elasticsearch',
    meaning: 'the realm of Elasticsearch that authenticated the client, such as `_es_api_key`',
  },
  'elastauth.credential.id': { type: 'keyword', on: 'requests with an API key', meaning: 'the id of the API key' },
  'elastauth.credential.name': {
    type: 'keyword',
    on: "requests with an API key or a service account's token",
    meaning: 'the name of the key or token',
  },
  'user.id': {
    type: 'keyword',
    on: 'sign-ins, sign-outs',
    meaning: "the provider's identifier of the user (`sub`)",
  },
  'user.roles': {
    type: 'keyword',
    on: '`user_signed_in`, writes of a user',
    meaning: 'the roles of a user who signs in; the former roles of a user that was written with other roles or groups',
  },
  'user.group.name': {
    type: 'keyword',
    on: '`user_signed_in`, writes of a user',
    meaning: 'the groups, under the same conditions as `user.roles`',
  },
  'user.changes.roles': {
    type: 'keyword',
    on: 'writes of a user',
    meaning: 'the roles that were written, if they or the groups are new; empty after `user_denied`',
  },
  'user.changes.group.name': {
    type: 'keyword',
    on: 'writes of a user',
    meaning: 'the groups, under the same conditions as `user.changes.roles`',
  },
  'elastauth.changed_keys': {
    type: 'keyword',
    on: '`configuration_reloaded`',
    meaning: 'the configuration keys that have other values now',
  },
  'elastauth.ignored_keys': {
    type: 'keyword',
    on: '`configuration_reloaded`',
    meaning: 'the changed configuration keys that need a restart',
  },
  'error.code': { type: 'keyword', on: 'failures', meaning: 'one of the [error codes](errors.md)' },
  'error.stack_trace': {
    type: 'text',
    on: '`internal`, rejected connections, `crashed`',
    meaning: 'the stack trace of a bug',
  },
  'event.kind': { type: 'keyword', on: 'events below', meaning: '`event`' },
  'event.category': { type: 'keyword', on: 'events below', meaning: 'what the event belongs to; several values' },
  'event.type': { type: 'keyword', on: 'events below', meaning: 'what kind of event it is; several values' },
  'event.action': { type: 'keyword', on: 'events below', meaning: 'what elastauth did or noticed' },
  'event.outcome': { type: 'keyword', on: 'events below', meaning: '`success` or `failure`' },
  'event.reason': {
    type: 'keyword',
    on: 'events with a reason below',
    meaning: 'why: a fixed word, such as an error code',
  },
} as const satisfies Record<string, FieldRow>

export type FieldName = keyof typeof table

/** Fields of a line, except those of every line. */
export type LogFields = Readonly<{ [Name in FieldName]?: unknown }>

export const fieldTable: Readonly<Record<FieldName, FieldRow>> = Object.freeze(table)
