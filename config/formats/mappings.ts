import { describeType, type Format, isPlainMap, type Problem, textFormat, validateValue } from './format.ts'

/** A role name that Elasticsearch accepts: 1 to 507 printable ASCII characters without leading or trailing spaces. */
export const roleName = textFormat({
  noun: 'a role name',
  hint: 'write 1 to 507 printable ASCII characters without leading or trailing spaces',
  jsonSchema: { minLength: 1, maxLength: 507, pattern: '^[!-~]([ -~]*[!-~])?$' },
  isValid: (text) => text.length <= 507 && /^[!-~]([ -~]*[!-~])?$/.test(text),
})

export const headerName = textFormat({
  noun: 'a header name',
  hint: 'write letters, digits and dashes, e.g. Remote-User',
  jsonSchema: { pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" },
  isValid: (text) => /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(text),
})

/** Maps groups to roles. A single role need not be in a list. In the environment, the map is written as JSON. */
export const groupMappings: Format<{ readonly [group: string]: readonly string[] }> = {
  yamlType: 'object',
  noun: 'a map of groups to roles',
  hint: 'write e.g. admins: [superuser], or as JSON in the environment {"admins": ["superuser"]}',
  jsonSchema: {
    type: 'object',
    additionalProperties: { anyOf: [roleName.jsonSchema, { type: 'array', minItems: 1, items: roleName.jsonSchema }] },
  },
  parse: (value) => {
    const map = readMap(value)
    if (map === undefined) return undefined
    return Object.fromEntries(
      Object.entries(map).map(([group, roles]) => [group, typeof roles === 'string' ? [roles] : (roles as string[])]),
    )
  },
  check: (map) => Object.entries(map).flatMap(([group, roles]) => checkGroup(group, roles)),
}

function checkGroup(group: string, roles: unknown): readonly Problem[] {
  if (group === '__proto__') return [{ problem: 'has the group __proto__', fix: 'remove it' }]
  const isMisnamed = group.trim() !== group || group === '' || group.length > 255
  const problems: Problem[] = isMisnamed
    ? [
        {
          problem: 'has a group name that is empty, too long, or begins or ends with a space',
          fix: 'write 1 to 255 characters',
          path: [group],
        },
      ]
    : []
  return [...problems, ...checkRoles(group, roles)]
}

function checkRoles(group: string, roles: unknown): readonly Problem[] {
  if (!Array.isArray(roles) || roles.length === 0) {
    return [
      {
        problem: `gives the group ${JSON.stringify(group)} ${Array.isArray(roles) ? 'no role' : describeType(roles)}`,
        fix: 'write a list of roles',
        path: [group],
      },
    ]
  }
  return roles.flatMap((role, index) =>
    validateValue(roleName, role).map((problem) => ({ ...problem, path: [group, index] })),
  )
}

/** Maps header names to values, which may be credentials, so messages never contain them. */
export const headerMap: Format<{ readonly [name: string]: string }> = {
  yamlType: 'object',
  noun: 'a map of header names to values',
  hint: 'write e.g. X-Api-Version: "2", or as JSON in the environment {"X-Api-Version": "2"}',
  jsonSchema: { type: 'object', additionalProperties: { type: 'string' } },
  parse: (value) => readMap(value) as { [name: string]: string } | undefined,
  check: (map) => Object.entries(map).flatMap(([name, value]) => checkHeader(name, value)),
}

function checkHeader(name: string, value: unknown): readonly Problem[] {
  if (name === '__proto__') return [{ problem: 'has the header __proto__', fix: 'remove it' }]
  const faults = validateValue(headerName, name).map(({ fix }) => ({
    problem: 'has an invalid header name',
    fix,
    path: [name],
  }))
  if (typeof value !== 'string') {
    faults.push({
      problem: `has ${describeType(value)} as the value of a header`,
      fix: 'put it in quotes',
      path: [name],
    })
  } else if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
    faults.push({
      problem: 'has an invalid header value',
      fix: 'remove control characters and characters outside Latin-1',
      path: [name],
    })
  }
  return faults
}

/** Maps the names of query parameters to values. */
export const parameterMap: Format<{ readonly [name: string]: string }> = {
  yamlType: 'object',
  noun: 'a map of parameters to values',
  hint: 'write e.g. prompt: login, or as JSON in the environment {"prompt": "login"}',
  jsonSchema: { type: 'object', additionalProperties: { type: 'string' } },
  parse: (value) => readMap(value) as { [name: string]: string } | undefined,
  check: (map) =>
    Object.entries(map).flatMap(([name, value]) =>
      typeof value === 'string' && name !== '__proto__' && name !== ''
        ? []
        : [
            {
              problem: `has ${describeType(value)} as the value of a parameter`,
              fix: 'put it in quotes',
              path: [name],
            },
          ],
    ),
}

function readMap(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'string') return isPlainMap(value) ? value : undefined
  try {
    const parsed: unknown = JSON.parse(value)
    return isPlainMap(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}
