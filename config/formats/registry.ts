import { hostPort, hostPortList, httpUrl, httpUrlList, peerList, redisUrl } from './addresses.ts'
import { duration } from './duration.ts'
import { type Format, hasControlCharacter, listOf, oneOf, textFormat } from './format.ts'
import { basicUsername, email, fullName, groupList, username } from './identity.ts'
import { fileMode, listenList, pathPattern, subRequestPath } from './listeners.ts'
import { groupMappings, headerMap, headerName, parameterMap, roleName } from './mappings.ts'
import { certificateFile, privateKeyFile } from './pem.ts'
import { routeList } from './routes.ts'
import { hexKey, secretKey, sharedSecret } from './secret-keys.ts'
import { userMap } from './users.ts'

const booleanWords = new Map([
  ['true', true],
  ['false', false],
])

const boolean: Format<boolean> = {
  yamlType: 'boolean',
  noun: 'true or false',
  hint: 'write true or false',
  jsonSchema: { type: 'boolean' },
  parse: (value) => {
    if (typeof value === 'boolean') return value
    return typeof value === 'string' ? booleanWords.get(value.toLowerCase()) : undefined
  },
}

const integer: Format<number> = {
  yamlType: 'integer',
  noun: 'a whole number',
  hint: 'write it in digits',
  jsonSchema: { type: 'integer' },
  parse: (value) => {
    const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
    return Number.isSafeInteger(number) ? (number as number) : undefined
  },
  check: (number, { min = 0, max = Number.MAX_SAFE_INTEGER }) =>
    number < min || number > max ? [{ value: number, problem: 'is out of range', fix: `write ${min} to ${max}` }] : [],
}

/** A part of a whole. */
const share: Format<number> = {
  yamlType: 'number',
  noun: 'a number from 0 to 1',
  hint: 'write e.g. 0.01 for one in a hundred, or 1 for all',
  jsonSchema: { type: 'number', minimum: 0, maximum: 1 },
  parse: (value) => {
    const number = typeof value === 'string' && /^\d*\.?\d+$/.test(value) ? Number(value) : value
    return typeof number === 'number' && number >= 0 && number <= 1 ? number : undefined
  },
}

const dataStreamPattern = /^[a-z0-9][a-z0-9._-]{0,199}$/

const text = textFormat({
  noun: 'a line of text',
  hint: 'write at least 1 character and no control characters',
  jsonSchema: { minLength: 1 },
  isValid: (value) => value !== '' && !hasControlCharacter(value),
})

/** Elasticsearch rejects other names. */
const dataStream = textFormat({
  noun: 'the name of a data stream',
  hint: 'write e.g. logs-elastauth.audit-default: lower-case letters, digits, ".", "_" and "-"',
  jsonSchema: { pattern: dataStreamPattern.source },
  isValid: (name) => dataStreamPattern.test(name),
})

const authProvider = oneOf([
  'authelia',
  'authentik',
  'oauth2-proxy',
  'tailscale',
  'headers',
  'static',
  'oidc',
  'elasticsearch',
  'users',
])

/**
 * The accepted signature algorithms. Symmetric ones are excluded, because everyone who can verify such a token could
 * also issue one.
 */
const signatureAlgorithm = {
  ...oneOf(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']),
  noun: 'an asymmetric signature algorithm',
  hint: 'write e.g. RS256 or ES256; HS256, other symmetric algorithms and none are never accepted',
}

/** Every format of the schema, by the name that the schema and convict use. */
export const formats = {
  boolean,
  integer,
  share,
  text,
  duration,
  data_stream: dataStream,
  certificate_file: certificateFile,
  private_key_file: privateKeyFile,
  secret_key: secretKey,
  secret_key_list: listOf(hexKey, 'keys', 'write e.g. ["64 hex digits"]'),
  shared_secret: sharedSecret,
  listen_list: listenList,
  file_mode: fileMode,
  sub_request_path: subRequestPath,
  host_port: hostPort,
  host_port_list: hostPortList,
  url: httpUrl,
  url_list: httpUrlList,
  redis_url: redisUrl,
  peer_list: peerList,
  role_list: listOf(roleName, 'roles', 'write e.g. ["kibana_user"]'),
  text_list: listOf(text, 'texts', 'write e.g. ["one", "two"]'),
  path_pattern_list: listOf(pathPattern, 'paths', 'write e.g. ["/api/status", "/ui/*"]'),
  basic_username: basicUsername,
  username,
  email,
  full_name: fullName,
  group_list: groupList,
  header_name: headerName,
  header_map: headerMap,
  parameter_map: parameterMap,
  group_mappings: groupMappings,
  route_list: routeList,
  user_map: userMap,
  auth_provider: authProvider,
  auth_provider_list: listOf(authProvider, 'providers', 'write e.g. ["oidc", "authelia"]'),
  log_level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], { warning: 'warn' }),
  log_format: oneOf(['auto', 'text', 'json']),
  forward_auth_profile: oneOf(['generic', 'nginx']),
  client_auth: oneOf(['none', 'request', 'require']),
  rekey: oneOf(['allow', 'never']),
  password_hashing: oneOf(['pbkdf2_1000', 'server']),
  cache_type: oneOf(['memory', 'redis', 'none', 'file']),
  token_validation: oneOf(['jwks', 'userinfo', 'both', 'introspection']),
  client_auth_method: oneOf(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']),
  signature_algorithm_list: listOf(signatureAlgorithm, 'algorithms', 'write e.g. ["RS256", "ES256"]'),
} as const

export type FormatName = keyof typeof formats
export type FormatValue<F extends FormatName> = (typeof formats)[F] extends Format<infer T> ? T : never

/** The format with this name, without its value type, for code that handles all keys alike. */
export function getFormat(name: FormatName): Format<unknown> {
  return formats[name] as Format<unknown>
}
