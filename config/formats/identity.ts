import { controlCharacter, emailPattern, isBuiltIn, isDotSegment, limits, usernamePattern } from '../identity-limits.ts'
import { type Format, listOf, textFormat } from './format.ts'

export const username: Format<string> = {
  ...textFormat(
    'a username',
    'write 1 to 255 letters, digits and . _ @ + -',
    { pattern: '^(?!\\.{1,2}$)[A-Za-z0-9.@+-][A-Za-z0-9._@+-]{0,254}$' },
    (name) => usernamePattern.test(name) && name.length <= limits.username && !isDotSegment(name),
  ),
  check: (name) =>
    isBuiltIn(name) ? [{ value: name, problem: 'is reserved by Elasticsearch', fix: 'use another name' }] : [],
}

export const email = textFormat(
  'an email address',
  'write e.g. bob@example.com',
  { pattern: emailPattern.source, maxLength: limits.email },
  (address) => isLine(address, limits.email) && emailPattern.test(address),
)

export const fullName = textFormat(
  'a name',
  'write 1 to 500 characters and no control characters',
  { minLength: 1, maxLength: limits.name },
  (name) => isLine(name, limits.name),
)

const group = textFormat(
  'a group name',
  'write 1 to 255 characters and no control characters',
  { minLength: 1, maxLength: limits.group },
  (name) => isLine(name, limits.group),
)

const groups = listOf(group, 'groups', 'write e.g. ["admins"]')

export const groupList: Format<readonly string[]> = {
  ...groups,
  jsonSchema: { ...groups.jsonSchema, maxItems: limits.groups },
  check: (names, range) =>
    names.length > limits.groups
      ? [{ problem: `has more than ${limits.groups} groups`, fix: 'remove some' }]
      : groups.check!(names, range),
}

/** The username of the service account. In Basic authentication it ends at the first colon (RFC 7617, section 2). */
export const basicUsername: Format<string> = {
  ...textFormat(
    'a line of text',
    'write at least 1 character and no control characters',
    { pattern: '^[^:]+$' },
    (name) => name !== '' && !/[\x00-\x1f\x7f]/.test(name),
  ),
  check: (name) =>
    name.includes(':')
      ? [
          {
            value: name,
            problem: 'has a colon, which Basic authentication cannot carry',
            fix: 'use another user, or elasticsearch.api_key',
          },
        ]
      : [],
}

function isLine(text: string, maxLength: number): boolean {
  return text !== '' && text.length <= maxLength && !controlCharacter.test(text)
}
