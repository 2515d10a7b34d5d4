import assert from 'node:assert/strict'
import { validateHeaderValue } from 'node:http'
import { describe, test } from 'node:test'
import type { Identity } from '../../../../src/auth/identity.ts'
import { createIdentityHeaders } from '../../../../src/proxy/headers/identity-headers.ts'
import fc from '../../../support/property.ts'

const identityHeadersOf = createIdentityHeaders()
const bob: Identity = {
  username: 'bob',
  groups: ['dev', 'ops'],
  email: 'bob@example.com',
  name: 'Bob',
  provider: 'oidc',
}
const groupsOf = (groups: readonly string[]) => identityHeadersOf({ username: 'bob', groups, provider: 'oidc' })[3]!

describe('the headers that name a user to an upstream', () => {
  test('the headers are Remote-User, Remote-Groups, Remote-Email and Remote-Name', () => {
    assert.deepEqual(identityHeadersOf(bob), [
      ...['Remote-User', 'bob', 'Remote-Groups', 'dev,ops'],
      ...['Remote-Email', 'bob@example.com', 'Remote-Name', 'Bob'],
    ])
  })

  test('the headers are created once for an identity', () => {
    assert.equal(identityHeadersOf(bob), identityHeadersOf(bob))
  })

  test('a header is absent if the provider did not send its value, and empty for a user without groups', () => {
    const { username, provider } = bob
    assert.deepEqual(identityHeadersOf({ username, provider, groups: [], groupsMissing: true }), ['Remote-User', 'bob'])
    assert.deepEqual(identityHeadersOf({ username, provider, groups: [] }), ['Remote-User', 'bob', 'Remote-Groups', ''])
  })

  test('characters outside ASCII are encoded as UTF-8', () => {
    const [, name] = identityHeadersOf({
      username: 'bob',
      provider: 'oidc',
      groups: [],
      groupsMissing: true,
      name: 'Zoë 猫',
    }).slice(2)
    assert.equal(Buffer.from(name!, 'latin1').toString('utf8'), 'Zoë 猫')
  })

  test('a group with a comma does not become two groups, and one with blanks at its ends does not become another group', () => {
    assert.equal(
      groupsOf(['guests,admins', ' admins', 'admins\u00a0', '50%']),
      'guests%2Cadmins,%20admins,admins%C2%A0,50%25',
    )
  })

  test('different groups give different headers without line breaks, from which the groups can be read', () => {
    const letters = fc.constantFrom('a', 'A', ',', '%', '2', 'C', ' ', '\u00a0', 'é', '猫', '😀', '|', '"')
    const group = fc.array(letters, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 4 }), (groups) => {
        const value = groupsOf(groups)
        validateHeaderValue('Remote-Groups', value)
        const parts = Buffer.from(value, 'latin1').toString('utf8').split(',')
        assert.deepEqual(
          parts.map((part) => decodeURIComponent(part.trim())),
          groups,
        )
      }),
    )
  })
})
