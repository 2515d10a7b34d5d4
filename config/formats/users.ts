import { suggestField } from '../suggest.ts'
import { describeType, type Format, isPlainMap, type Problem, validateValue } from './format.ts'
import { email, fullName, groupList, username } from './identity.ts'
import { parsePasswordHash } from './password-hash.ts'

/** A user as the configuration describes it. */
export type ConfiguredUser = Readonly<{
  password_hash: string
  groups: readonly string[]
  email: string | null
  name: string | null
  disabled: boolean
}>

export type ConfiguredUsers = { readonly [username: string]: ConfiguredUser }

export const hashFix = 'write the output of `elastauth hash-password`'

/** Authelia's names for the same fields, so that its users_database.yml can be used as it is. */
const authelia: { readonly [field: string]: string } = { password: 'password_hash', displayname: 'name' }

const fields: { readonly [field: string]: (value: unknown) => readonly Problem[] } = {
  password_hash: checkHash,
  groups: (value) => validateValue(groupList, value),
  email: (value) => validateValue(email, value),
  name: (value) => validateValue(fullName, value),
  disabled: (value) =>
    typeof value === 'boolean' ? [] : [{ problem: 'is not true or false', fix: 'write true or false' }],
}

/** Users by name. Messages about it never contain a hash. */
export const userMap: Format<ConfiguredUsers> = {
  yamlType: 'object',
  noun: 'a map of usernames to users',
  hint: 'write e.g. bob: {password_hash: "$argon2id$…", groups: [admins]}, or as JSON in the environment',
  jsonSchema: {
    type: 'object',
    additionalProperties: {
      type: 'object',
      additionalProperties: false,
      required: ['password_hash'],
      properties: {
        password_hash: { type: 'string', pattern: '^\\$(argon2id|2[aby])\\$' },
        groups: groupList.jsonSchema,
        email: email.jsonSchema,
        name: fullName.jsonSchema,
        disabled: { type: 'boolean' },
      },
    },
  },
  parse: (value) => {
    const map = typeof value === 'string' ? parseJson(value) : value
    return isPlainMap(map) ? Object.fromEntries(Object.entries(map).map(complete)) : undefined
  },
  check: (users) => checkUsers(users),
}

/** Fills in what is missing. A malformed user is kept, so that `checkUsers` reports it. */
function complete([name, user]: [string, unknown]): [string, ConfiguredUser] {
  if (!isPlainMap(user)) return [name, user as ConfiguredUser]
  const renamed = Object.fromEntries(
    Object.entries(user)
      .filter(([field, value]) => value !== null || field === 'password_hash')
      .map(([field, value]) => [authelia[field] ?? field, value]),
  )
  return [name, { groups: [], email: null, name: null, disabled: false, ...renamed } as unknown as ConfiguredUser]
}

export function checkUsers(users: ConfiguredUsers): Problem[] {
  return [
    ...Object.entries(users).flatMap(([name, user]) => [...checkUsername(name), ...checkUser(name, user)]),
    ...checkSimilarNames(Object.keys(users)),
  ]
}

/** The format of usernames allows ASCII only, so that no two Unicode forms of a name can be two users. */
export function checkUsername(name: string): readonly Problem[] {
  return validateValue(username, name).map(({ problem, fix }) => ({
    problem: `has the username ${JSON.stringify(name)}, which ${problem}`,
    fix,
    path: [name],
  }))
}

/** Names that differ only in case are two users in Elasticsearch, which people would confuse. */
export function checkSimilarNames(names: readonly string[]): Problem[] {
  const seen = new Map<string, string>()
  return names.flatMap((name) => {
    const first = seen.get(name.toLowerCase())
    if (first === undefined) {
      seen.set(name.toLowerCase(), name)
      return []
    }
    const problem = `has ${JSON.stringify(name)} and ${JSON.stringify(first)}, which differ only in case`
    return [{ problem, fix: 'rename one of them', path: [name] }]
  })
}

function checkUser(name: string, user: unknown): readonly Problem[] {
  if (!isPlainMap(user)) {
    const problem = `has ${describeType(user)} where a user is expected`
    return [{ problem, fix: 'write password_hash: below it, and optionally groups:, email: and name:', path: [name] }]
  }
  const missing: Problem[] =
    user.password_hash === undefined ? [{ problem: 'has no password_hash', fix: hashFix, path: [name] }] : []
  return [...missing, ...Object.entries(user).flatMap(([field, value]) => checkField(field, value, [name, field]))]
}

function checkField(field: string, value: unknown, path: readonly string[]): readonly Problem[] {
  if (value === null && field !== 'password_hash') return []
  if (!Object.hasOwn(fields, field))
    return [{ problem: `has the unknown key ${JSON.stringify(field)}`, fix: suggestField(field, fields), path }]
  return fields[field]!(value).map(({ problem, fix, path: rest = [] }) => ({ problem, fix, path: [...path, ...rest] }))
}

export function checkHash(value: unknown): readonly Problem[] {
  if (typeof value !== 'string') return [{ problem: `is ${describeType(value)}`, fix: hashFix }]
  const parsed = parsePasswordHash(value)
  return typeof parsed === 'string' ? [{ problem: parsed, fix: hashFix }] : []
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
