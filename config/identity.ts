import { type Format, listOf, textFormat } from './format.ts'

const maxGroups = 1000

/** Names that Elasticsearch ships with, as src/auth/identity.ts refuses them; so are all that begin with `_`. */
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

/** What a request's identity may be, src/auth/identity.ts says; what is fixed here must be no other. */
export const username: Format<string> = {
  ...textFormat(
    'a username',
    'write 1 to 255 letters, digits and . _ @ + -',
    { pattern: '^(?!\\.{1,2}$)[A-Za-z0-9.@+-][A-Za-z0-9._@+-]{0,254}$' },
    (name) => /^[A-Za-z0-9._@+-]{1,255}$/.test(name) && name !== '.' && name !== '..',
  ),
  check: (name) =>
    name.startsWith('_') || builtIn.has(name.toLowerCase())
      ? [{ value: name, problem: 'is one of Elasticsearch’s own users', mend: 'use another name' }]
      : [],
}

export const email = textFormat(
  'an e-mail address',
  'write e.g. bob@example.com',
  { pattern: '^[^\\s@,;:<>()"]+@[^\\s@,;:<>()"]+$', maxLength: 320 },
  (address) => address.length <= 320 && isLine(address) && /^[^\s@,;:<>()"]+@[^\s@,;:<>()"]+$/.test(address),
)

export const fullName = textFormat(
  'a name',
  'write 1 to 500 characters, none of them a control character',
  { minLength: 1, maxLength: 500 },
  (name) => name !== '' && name.length <= 500 && isLine(name),
)

const group = textFormat(
  'a group’s name',
  'write 1 to 255 characters, none of them a control character',
  { minLength: 1, maxLength: 255 },
  (name) => name !== '' && name.length <= 255 && isLine(name),
)

const groups = listOf(group, 'groups', 'write e.g. ["admins"]')

export const groupList: Format<readonly string[]> = {
  ...groups,
  json: { ...groups.json, maxItems: maxGroups },
  check: (names, limits) =>
    names.length > maxGroups
      ? [{ problem: `has more than ${maxGroups} groups`, mend: 'remove some' }]
      : groups.check!(names, limits),
}

/** The service account's name: what stands before the colon of Basic authentication (RFC 7617, 2). */
export const basicUsername: Format<string> = {
  ...textFormat(
    'a line of text',
    'write 1 character or more, none of them a control character',
    { pattern: '^[^:]+$' },
    (name) => name !== '' && !/[\x00-\x1f\x7f]/.test(name),
  ),
  check: (name) =>
    name.includes(':')
      ? [
          {
            value: name,
            problem: 'has a colon, which Basic authentication cannot carry',
            mend: 'use another user, or elasticsearch.api_key',
          },
        ]
      : [],
}

/** Neither C0 nor C1 controls, nor Unicode's own line ends. */
function isLine(text: string): boolean {
  return !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)
}
