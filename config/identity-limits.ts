/**
 * Limits for identities, so that Basic authentication can transmit them and Elasticsearch accepts them. They apply to
 * every request's identity (src/auth/identity.ts) and to the configured static user (config/formats/identity.ts).
 */

/** Maximum lengths in UTF-16 code units; `groups` is the maximum number of groups. */
export const limits = Object.freeze({ username: 255, email: 320, name: 500, group: 255, groups: 1000 })

export const usernamePattern = /^[A-Za-z0-9._@+-]+$/

export const emailPattern = /^[^\s@,;:<>()"]+@[^\s@,;:<>()"]+$/

/** C0 and C1 control characters, Unicode line separators, and lone surrogates, which UTF-8 cannot encode. */
export const controlCharacter = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\p{Cs}]/u

const builtInUsernames: ReadonlySet<string> = new Set([
  'elastic',
  'kibana',
  'kibana_system',
  'logstash_system',
  'beats_system',
  'apm_system',
  'remote_monitoring_user',
  'enterprise_search_admin',
  'anonymous',
])

/**
 * Whether a username is `.` or `..`, which would be removed from the path /_security/user/{name} as a dot segment (RFC
 * 3986, section 5.2.4).
 */
export function isDotSegment(username: string): boolean {
  return username === '.' || username === '..'
}

/**
 * Whether Elasticsearch has a built-in user with this name, or reserves the name. Elasticsearch marks such users as
 * `_reserved`, but this check needs no call to Elasticsearch.
 */
export function isReservedUsername(username: string): boolean {
  return username.startsWith('_') || builtInUsernames.has(username.toLowerCase())
}
