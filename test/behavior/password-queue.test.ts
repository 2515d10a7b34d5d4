import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { fieldsOf, passwords, submitForm, usersEnv, usersFlags } from '../support/sign-in-form.ts'
import { createFixture } from './fixture.ts'

const nodeArguments = ['--import', fileURLToPath(new URL('../support/held-passwords.ts', import.meta.url))]
/** One that is hashed, and 64 that wait (docs/users.md). */
const places = 65

describe('the queue of passwords that wait for their check', async () => {
  const { start } = await createFixture()
  const gateway = await start({ flags: usersFlags, env: usersEnv, nodeArguments })
  const { url } = gateway
  let lastNetwork = 0
  /** Each from another network and for another user, so that no limit of failed attempts is reached. */
  const newNetwork = () => `203.0.113.${++lastNetwork}`

  async function signIn(username: string, password: string, network = newNetwork()): Promise<Response> {
    const authorization = `Basic ${btoa(`${username}:${password}`)}`
    return fetch(url, { headers: { authorization, 'X-Forwarded-For': network } })
  }

  async function signInWithForm(username: string, password: string): Promise<Response> {
    const agent = createUserAgent({ 'x-forwarded-for': newNetwork() })
    const fields = fieldsOf(await (await agent.request(`${url}/elastauth/login`)).text())
    fields.set('username', username)
    fields.set('password', password)
    return submitForm(agent, url, fields)
  }

  test('passwords of unknown users are hashed, 64 others wait, and the next one gets 503 with Retry-After, by Basic and by the form, until a hash is done', async () => {
    const home = newNetwork()
    assert.equal((await signIn('alice', passwords.alice, home)).status, 200)
    const attempts = Array.from({ length: places + 1 }, (_, i) => signIn(`unknown${i}`, `held ${i}`))
    // They may arrive in any order, but all except one have a place.
    const first = await Promise.race(attempts)
    assert.equal(first.status, 503)
    assert.match(first.headers.get('retry-after')!, /^[1-9]\d*$/)
    assert.equal(((await first.json()) as { error: string }).error, 'overloaded')

    const byBasic = await signIn('bob', passwords.bob)
    assert.equal(byBasic.status, 503)
    assert.match(byBasic.headers.get('retry-after')!, /^[1-9]\d*$/)
    const byForm = await signInWithForm('bob', passwords.bob)
    assert.equal(byForm.status, 503)
    assert.match(byForm.headers.get('retry-after')!, /^[1-9]\d*$/)
    assert.match(byForm.headers.get('content-type')!, /^text\/html/)
    assert.deepEqual(
      byForm.headers.getSetCookie().filter((line) => line.startsWith('__Host-elastauth-session=')),
      [],
    )
    assert.equal((await signIn('alice', passwords.alice, home)).status, 200, 'a remembered password needs no hash')
    assert.equal((await signIn('alice', 'wrong', home)).status, 401, 'a network that the user knows has its own queue')

    gateway.process.kill('SIGUSR2')
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    assert.equal(statuses.filter((status) => status === 401).length, places)
    assert.equal((await signIn('bob', passwords.bob)).status, 200)
    assert.equal((await signInWithForm('bob', passwords.bob)).status, 303)
  })
})
