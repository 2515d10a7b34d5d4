/**
 * What an identity may be: what Basic authentication can carry, and what Elasticsearch accepts. They hold for the
 * identity of every request (src/auth/identity.ts) and for the one that is configured (config/formats/identity.ts).
 */

/** Characters; the last is a number of groups. */
export const limits = Object.freeze({ username: 255, email: 320, name: 500, group: 255, groups: 1000 })

export const usernamePattern = /^[A-Za-z0-9._@+-]+$/

export const emailPattern = /^[^\s@,;:<>()"]+@[^\s@,;:<>()"]+$/

/** C0 and C1 control characters, Unicode line separators, and lone surrogates, which UTF-8 cannot encode. */
export const controlCharacter = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\p{Cs}]/u

const builtIn: ReadonlySet<string> = new Set([
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

/** A URL's path would lose `.` and `..` as dot segments (RFC 3986, 5.2.4) on the way to /_security/user/{name}. */
export function isDotSegment(username: string): boolean {
  return username === '.' || username === '..'
}

/** Names that Elasticsearch ships with or keeps for itself. Their users are `_reserved`; here they are refused before any call. */
export function isBuiltIn(username: string): boolean {
  return username.startsWith('_') || builtIn.has(username.toLowerCase())
}
