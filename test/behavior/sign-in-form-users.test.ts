import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { scrape } from '../support/metrics.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { createFormTestBed, openForm, passwords, signInWithForm, submitForm, users } from '../support/sign-in-form.ts'
import { createFixture } from './fixture.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
const bed = await createFormTestBed()

type Users = Record<string, { password_hash: string; groups: string[]; disabled?: boolean }>

function writeUsers(file: string, changed: Users): void {
  writeFileSync(`${file}.new`, JSON.stringify({ users: changed })) // JSON is YAML
  renameSync(`${file}.new`, file)
}

describe('the sessions of the sign-in form', () => {
  const { alice, ...others } = users
  for (const [what, changed] of [
    ['removed', others],
    ['disabled', { ...users, alice: { ...alice, disabled: true } }],
    ['given another password', { ...users, alice: { ...alice, password_hash: users.bob.password_hash } }],
    ['put into other groups', { ...users, alice: { ...alice, groups: ['staff'] } }],
  ] as [string, Users][]) {
    test(`a session ends at once when its user is ${what}`, async () => {
      const file = join(directory, `${what.replaceAll(' ', '-')}.yml`)
      writeUsers(file, users)
      const gateway = await bed.startProxy({ flags: { 'users.path': file }, env: { ELASTAUTH_USERS_INLINE: '{}' } })
      const { url } = gateway
      const first = await signInWithForm(url)
      const second = await signInWithForm(url)
      const other = await signInWithForm(url, 'bob', { password: passwords.bob })
      assert.equal((await first.agent.request(`${url}/app`)).status, 200)
      writeUsers(file, changed)
      const changedLine = await gateway.logged((line) => line['event.action'] === 'users_changed')
      for (const { agent } of [first, second]) assert.equal((await agent.request(`${url}/app`)).status, 302)
      assert.equal((await other.agent.request(`${url}/app`)).status, 200)
      const line = await gateway.logged((entry) => entry['event.reason'] === 'user_changed')
      assert.equal(line['user.name'], 'alice')
      writeUsers(file, users) // a session that has ended does not begin again
      await gateway.logged((entry) => entry['event.action'] === 'users_changed' && entry !== changedLine)
      assert.equal((await first.agent.request(`${url}/app`)).status, 302)
    })
  }

  test('a session is kept while another user is disabled', async () => {
    const file = join(directory, 'kept.yml')
    writeUsers(file, users)
    const gateway = await bed.startProxy({ flags: { 'users.path': file }, env: { ELASTAUTH_USERS_INLINE: '{}' } })
    const { agent } = await signInWithForm(gateway.url)
    writeUsers(file, { ...users, bob: { ...users.bob, disabled: true } })
    await gateway.logged((line) => line['event.action'] === 'users_changed')
    assert.equal((await agent.request(`${gateway.url}/app`)).status, 200)
  })
})

test('after five wrong passwords, the form gets 429 with a page and Retry-After, with the right password too', async () => {
  const { url } = await bed.startProxy()
  for (let i = 0; i < 5; i++) {
    const { response } = await signInWithForm(url, 'alice', { password: `wrong ${i}` })
    assert.equal(response.status, 303)
  }
  const { agent, response } = await signInWithForm(url)
  assert.equal(response.status, 429)
  const seconds = Number(response.headers.get('retry-after'))
  assert.ok(seconds > 200 && seconds <= 300, `${seconds}`)
  assert.match(response.headers.get('content-type')!, /^text\/html/)
  assert.match(await response.text(), /<h1>Too many failed attempts/)
  assert.doesNotMatch(agent.cookies(url), /session/)
  assert.equal((await signInWithForm(url, 'bob', { password: passwords.bob })).response.headers.get('location'), '/app')
})

test('the metrics count the sign-ins of the form, its wrong passwords and its sign-outs', async () => {
  const { url } = await bed.startProxy({ flags: { enable_metrics: 'true' } })
  const { agent } = await signInWithForm(url)
  await signInWithForm(url, 'alice', { password: 'wrong' })
  const signedIn = await scrape(url)
  assert.equal(signedIn('elastauth_sign_ins_total{result="success"}'), 1)
  assert.equal(signedIn('elastauth_sign_ins_total{result="failure"}'), 1)
  assert.equal(signedIn('elastauth_sessions'), 1)
  await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
  assert.equal((await scrape(url))('elastauth_sign_outs_total{by="user"}'), 1)
})

test('a wrong password is logged with the name of the user, and a name that no user has is not logged', async () => {
  const gateway = await bed.startProxy()
  await signInWithForm(gateway.url, 'alice', { password: 'wrong' })
  const known = await gateway.logged((line) => line['event.action'] === 'password_rejected')
  assert.equal(known['user.name'], 'alice')
  assert.ok(known['http.request.id'])
  await signInWithForm(gateway.url, 'a-password-in-the-wrong-field', { password: 'x' })
  const unknown = await gateway.logged((line) => line['event.action'] === 'password_rejected' && line !== known)
  assert.equal(unknown['user.name'], undefined)
  assert.doesNotMatch(gateway.output(), /a-password-in-the-wrong-field/)
})

test('five attempts with a name that no user has are reported without the name, which may be a password', async () => {
  const gateway = await bed.startProxy()
  for (let i = 0; i < 5; i++) await signInWithForm(gateway.url, 'a-password-in-the-wrong-field', { password: `x${i}` })
  const line = await gateway.logged((one) => one['event.action'] === 'guessing_limited')
  assert.equal(line['event.reason'], 'user_network')
  assert.equal(line['user.name'], undefined)
  assert.doesNotMatch(gateway.output(), /a-password-in-the-wrong-field/)
})

test('a password beside the session of another user decides: the right one is its own user, and a wrong one gets 401', async () => {
  const { url } = await bed.startProxy()
  const { agent } = await signInWithForm(url)
  const requestAs = (password: string) => {
    const headers = { authorization: `Basic ${btoa(`bob:${password}`)}`, accept: 'application/json' }
    return agent.request(`${url}/app`, { headers })
  }
  assert.match(await (await requestAs(passwords.bob)).text(), /Hello bob/)
  assert.equal((await requestAs('wrong')).status, 401)
  assert.match(await (await agent.request(`${url}/app`)).text(), /Hello alice/)
})

test('identity headers beside the session of a form, or beside its submission, do not change the user', async () => {
  const { url } = await bed.startProxy()
  const agent = createUserAgent({ 'remote-user': 'bob', 'remote-groups': 'admins' })
  assert.equal((await agent.request(`${url}/app`)).status, 302)
  await signInWithForm(url, 'alice', { agent })
  assert.match(await (await agent.request(`${url}/app`)).text(), /Hello alice/)
})

test('users.login: false serves no form, and sends no redirect to it', async () => {
  const { url } = await bed.startProxy({ flags: { 'users.login': 'false' } })
  const agent = createUserAgent()
  assert.equal((await agent.request(`${url}/elastauth/login`)).status, 404)
  assert.equal((await agent.request(`${url}/app`)).status, 401)
})

test('a form sign-in as a foreign user, or as the service account, gets 403 and no credential', async () => {
  const { elasticsearch, start } = await createFixture({
    accounts: {
      alice: { password: 'set-by-an-admin', roles: ['superuser'] },
      gatekeeper: { password: 'changeme', roles: ['superuser'] },
    },
  })
  const before = structuredClone(elasticsearch.users.get('alice'))
  const gateway = await start({
    flags: { auth_provider: 'users' },
    env: {
      ELASTAUTH_USERS_INLINE: JSON.stringify({ ...users, gatekeeper: users.bob }),
      ELASTAUTH_ELASTICSEARCH_USERNAME: 'gatekeeper',
      ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
    },
  })
  for (const [username, password, error] of [
    ['alice', passwords.alice, 'user_foreign'],
    ['gatekeeper', passwords.bob, 'user_reserved'],
  ] as const) {
    const agent = createUserAgent()
    const fields = await openForm(agent, gateway.url)
    fields.set('username', username)
    fields.set('password', password)
    assert.equal((await submitForm(agent, gateway.url, fields)).status, 303)
    const response = await agent.request(gateway.url, { headers: { accept: 'application/json' } })
    assert.deepEqual([response.status, ((await response.json()) as { error: string }).error], [403, error])
    assert.equal(response.headers.get('authorization'), null)
  }
  assert.deepEqual(elasticsearch.users.get('alice'), before)
})

test('a reserved name of Elasticsearch cannot be one of the users', async () => {
  const start = bed.startProxy({ env: { ELASTAUTH_USERS_INLINE: JSON.stringify({ elastic: users.alice }) } })
  await assert.rejects(start, /elastic/)
})
