import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateValue } from '../../../config/formats/format.ts'
import { type FormatName, getFormat } from '../../../config/formats/registry.ts'
import { checkIdentity, type Identity } from '../../../src/auth/identity.ts'
import fc from '../../support/property.ts'
import { linesOf, load, minimal } from './fixture.ts'

const character = fc.constantFrom(...'aZ09._@+-: ,;<ä€\0\u0085\u2028\n')
const text = fc.oneof(
  fc.string({ unit: character, minLength: 1, maxLength: 6 }),
  fc.constantFrom(...['.', '..', '_xpack', 'elastic', 'Kibana_System', 'anonymous', 'elastic2', 'a@b', 'a@b@c']),
  fc.constantFrom(255, 256, 320, 321, 500, 501).map((length) => 'a'.repeat(length)),
  fc.constantFrom(320, 321).map((length) => `a@${'b'.repeat(length - 2)}`),
)

const parts: [key: string, format: FormatName, identityWith: (value: string) => Partial<Identity>][] = [
  ['username', 'username', (username) => ({ username })],
  ['email', 'email', (email) => ({ email })],
  ['name', 'full_name', (name) => ({ name })],
  ['groups', 'group_list', (group) => ({ groups: [group] })],
]

for (const [key, format, identityWith] of parts) {
  test(`static.${key} rejects exactly the values that are rejected in the identity of a request`, () => {
    const isValid = (value: string) => {
      try {
        checkIdentity({ username: 'dev', groups: [], provider: 'static', ...identityWith(value) })
        return true
      } catch {
        return false
      }
    }
    fc.assert(
      fc.property(text, (value) => {
        const configured = format === 'group_list' ? [value] : value
        assert.equal(validateValue(getFormat(format), configured).length === 0, isValid(value), JSON.stringify(value))
      }),
      { numRuns: 2000 },
    )
  })
}

const invalidUsers: [yaml: string, expected: RegExp][] = [
  ['username: a b', /static.username "a b" is not a valid username/],
  ['username: ..', /static.username .* is not a valid username/],
  ['username: _system', /static.username .* is reserved by Elasticsearch/],
  ['username: Elastic', /static.username .* is reserved by Elasticsearch/],
  ['username: a, email: unknown', /static.email .* is not an email address/],
  ['username: a, name: "a\\u0085b"', /static.name .* is not/],
  ['username: a, groups: ["a\\u2028b"]', /static.groups\[0\] .* is not/],
  ['username: Service', /static.username is the service account/],
]

for (const [yaml, expected] of invalidUsers) {
  test(`rejects static: { ${yaml} }`, () => {
    const account = minimal.replace('elastauth,', 'service,')
    const lines = linesOf(() => load(`${account}auth_provider: static\nstatic: { ${yaml} }`))
    assert.equal(lines.length, 1, lines.join('\n'))
    assert.match(lines[0]!, expected)
  })
}

test('rejects more than 1,000 static groups', () => {
  const groups = Array.from({ length: 1001 }, (_, i) => `g${i}`)
  const lines = linesOf(() => load(minimal, { env: { ELASTAUTH_STATIC_GROUPS: groups.join(',') } }))
  assert.match(lines.join(), /^ELASTAUTH_STATIC_GROUPS static.groups has more than 1000 groups/)
})
