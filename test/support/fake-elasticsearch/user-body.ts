import { parsePasswordHash } from './password-hash.ts'
import { reject, rejectInvalid } from './responses.ts'

export type UserBody = {
  /** The text, or the hash. */
  password?: string
  roles?: string[]
  full_name: string | null
  email: string | null
  metadata: Record<string, unknown>
  enabled: boolean
}

const nameRule =
  'User names must be at least 1 and no more than 507 characters. They can contain alphanumeric characters ' +
  '(a-z, A-Z, 0-9), spaces, punctuation, and printable symbols in the Basic Latin (ASCII) block. ' +
  'Leading or trailing whitespace is not allowed.'

/** Validates the body of PUT /_security/user/{name} as Elasticsearch does: the same order, and the same reasons. */
export function parseUserBody(body: Record<string, unknown>, username: string, rejectsHash: boolean): UserBody {
  const parsed: UserBody = { full_name: null, email: null, metadata: {}, enabled: true }
  for (const [field, value] of Object.entries(body)) parseField(parsed, field, value, { username, rejectsHash })
  if (!/^[\x21-\x7e]([\x20-\x7e]{0,505}[\x21-\x7e])?$/.test(username)) throw rejectInvalid(nameRule)
  if (!parsed.roles) throw rejectInvalid('roles are missing')
  if (Object.keys(parsed.metadata).some((key) => key.startsWith('_'))) {
    throw rejectInvalid('metadata keys may not start with [_]')
  }
  return parsed
}

function parseField(
  parsed: UserBody,
  field: string,
  value: unknown,
  { username, rejectsHash }: Readonly<{ username: string; rejectsHash: boolean }>,
): void {
  switch (field) {
    case 'password':
    case 'password_hash': {
      const password = parsePassword(field, value, rejectsHash)
      if (parsed.password !== undefined)
        throw rejectInvalid('password_hash has already been set', 'validation_exception')
      parsed.password = password
      return
    }
    case 'roles':
      parsed.roles = parseRoles(value)
      return
    case 'full_name':
    case 'email':
      if (value !== null) check(field, value, 'string')
      parsed[field] = value as string | null
      return
    case 'metadata':
      check(field, value, 'object')
      parsed.metadata = value as Record<string, unknown>
      return
    case 'enabled':
      check(field, value, 'boolean')
      parsed.enabled = value as boolean
      return
    case 'username': {
      const reason = `[username] in source does not match the username provided [${username}]`
      if (value !== username) throw reject(400, 'illegal_argument_exception', reason)
      return
    }
    default:
      throw reject(400, 'parse_exception', `failed to parse add user request. unexpected field [${field}]`)
  }
}

/** @returns the text of the password, or its hash */
export function parsePassword(field: 'password' | 'password_hash', value: unknown, rejectsHash: boolean): string {
  check(field, value, 'string')
  const password = value as string
  if (field === 'password_hash') return parsePasswordHash(password, rejectsHash)
  if (password.length < 6) {
    throw rejectInvalid('passwords must be at least [6] characters long', 'validation_exception')
  }
  return password
}

function parseRoles(value: unknown): string[] {
  if (typeof value === 'string') return value.split(',')
  if (!Array.isArray(value)) {
    const found = value === null ? 'null' : tokenOf(value)
    throw reject(
      400,
      'parse_exception',
      `could not parse [roles] field. expected a string array but found ${found} value instead`,
    )
  }
  const invalid = value.find((role) => typeof role !== 'string')
  if (invalid !== undefined) {
    const reason = `could not parse [null] field. expected a string array but one of the value in the array is [${tokenOf(invalid)}]`
    throw reject(400, 'parse_exception', reason)
  }
  return value
}

function check(field: string, value: unknown, type: 'string' | 'object' | 'boolean'): void {
  const isValid = typeof value === type && value !== null && !Array.isArray(value)
  const reason = `expected field [${field}] to be of type ${type}, but found [${tokenOf(value)}] instead`
  if (!isValid) throw reject(400, 'parse_exception', reason)
}

/** The JSON parser's name for a value, which Elasticsearch quotes. */
function tokenOf(value: unknown): string {
  if (value === null) return 'VALUE_NULL'
  if (Array.isArray(value)) return 'START_ARRAY'
  return typeof value === 'object' ? 'START_OBJECT' : `VALUE_${typeof value}`.toUpperCase()
}
