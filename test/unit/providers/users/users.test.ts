import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { ConfiguredUsers } from '../../../../config/formats/users.ts'
import type { GatewayError } from '../../../../src/http/errors.ts'
import { createAttemptLimits } from '../../../../src/providers/attempt-limits.ts'
import { createBasicProvider } from '../../../../src/providers/users/basic.ts'
import { hashPassword } from '../../../../src/providers/users/password-hashing.ts'
import { createUsers } from '../../../../src/providers/users/users.ts'
import { createDelayedGuesses } from '../../../support/delayed-guesses.ts'
import { contextOf } from '../../../support/request-context.ts'

const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
const contextWith = (authorization: string, remoteAddress = '203.0.113.1') =>
  contextOf({ rawHeaders: ['Authorization', authorization], socket: { remoteAddress } as never })

describe('users with a password', () => {
  let bob: ConfiguredUsers
  const monotonicNow = () => 0
  before(async () => {
    const password_hash = await hashPassword('correct horse')
    bob = { bob: { password_hash, groups: ['admins'], email: null, name: null, disabled: false } }
  })

  function create() {
    const attempts = createAttemptLimits({
      shared: undefined,
      onLimitReached: () => {},
      monotonicNow,
      sleep: async () => {},
    })
    return createUsers(bob, { attempts, monotonicNow })
  }

  test('a password gives the user of its check, although the users are replaced before the request goes on', async () => {
    const users = create()
    const { identified } = users.find('bob')!
    const identify = createBasicProvider({
      requiresTrustedPeer: false,
      otherwise: undefined,
      async verifyPassword(...args) {
        const user = await users.verifyPassword(...args)
        users.replace({})
        return user
      },
    })
    assert.equal(await identify(contextWith(basic('bob', 'correct horse'))), identified)
  })

  test('the error of a wrong password names a user who exists, and no other name, which may be a password in the wrong field', async () => {
    const users = create()
    const nameIn = async (username: string) => {
      const rejection = async () => users.verifyPassword(username, 'wrong', contextWith(''))
      const error: GatewayError = await rejection().then(
        () => assert.fail('accepted'),
        (thrown) => thrown,
      )
      assert.equal(error.code, 'credential_invalid')
      assert.ok(!error.message.includes(username) || username === 'bob')
      return error.username
    }
    assert.equal(await nameIn('bob'), 'bob')
    assert.equal(await nameIn('tr0ub4dor'), undefined)
  })

  test('a user signs in from a network that the user has signed in from, while delayed guesses from elsewhere take all of their places', async () => {
    const attempts = await createDelayedGuesses(monotonicNow)
    const users = createUsers(bob, { attempts, monotonicNow })
    const guess = (i: number) =>
      users.verifyPassword('invented', `guess ${i}`, contextWith('', `192.0.${Math.floor(i / 200)}.${i % 200}`))
    for (let i = 0; i < 256; i++) void guess(i)
    await assert.rejects(async () => guess(256), { code: 'overloaded' })
    assert.equal(await users.verifyPassword('bob', 'correct horse', contextWith('')), users.find('bob'))
  })
})
