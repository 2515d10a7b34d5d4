import {
  controlCharacter,
  emailPattern,
  isDotSegment,
  isReservedUsername,
  limits,
  usernamePattern,
} from '../identity-limits.ts'
import { type Format, hasControlCharacter, listOf, textFormat } from './format.ts'

export const username: Format<string> = {
  ...textFormat({
    noun: 'a valid username',
    hint: 'write 1 to 255 letters, digits and . _ @ + -',
    jsonSchema: { pattern: '^(?!\\.{1,2}$)[A-Za-z0-9.@+-][A-Za-z0-9._@+-]{0,254}$' },
    isValid: (name) => usernamePattern.test(name) && name.length <= limits.username && !isDotSegment(name),
  }),
  check: (name) =>
    isReservedUsername(name) ? [{ value: name, problem: 'is reserved by Elasticsearch', fix: 'use another name' }] : [],
}

export const email = textFormat({
  noun: 'an email address',
  hint: 'write e.g. bob@example.com',
  jsonSchema: { pattern: emailPattern.source, maxLength: limits.email },
  isValid: (address) => isLine(address, limits.email) && emailPattern.test(address),
})

export const fullName = textFormat({
  noun: 'a name',
  hint: 'write 1 to 500 characters and no control characters',
  jsonSchema: { minLength: 1, maxLength: limits.name },
  isValid: (name) => isLine(name, limits.name),
})

const group = textFormat({
  noun: 'a group name',
  hint: 'write 1 to 255 characters and no control characters',
  jsonSchema: { minLength: 1, maxLength: limits.group },
  isValid: (name) => isLine(name, limits.group),
})

const groups = listOf(group, 'groups', 'write e.g. ["admins"]')

export const groupList: Format<readonly string[]> = {
  ...groups,
  jsonSchema: { ...groups.jsonSchema, maxItems: limits.groups },
  check: (names, range) => [
    ...(new Set(names).size > limits.groups
      ? [{ problem: `has more than ${limits.groups} groups`, fix: 'remove some' }]
      : []),
    ...groups.check!(names, range),
  ],
}

/**
 * The username of the service account. It must not contain a colon, which ends the username in Basic authentication
 * (RFC 7617, section 2).
 */
export const basicUsername: Format<string> = {
  ...textFormat({
    noun: 'a line of text',
    hint: 'write at least 1 character and no control characters',
    jsonSchema: { pattern: '^[^:]+$' },
    isValid: (name) => name !== '' && !hasControlCharacter(name),
  }),
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
