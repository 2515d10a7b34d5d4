import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testKey } from '../support/gateway.ts'
import { passwords, signInWithForm, usersEnv } from '../support/sign-in-form.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, serviceAccount } from './fixture.ts'

const { start, elasticsearchUrl } = await createFixture()
const mappings = { ELASTAUTH_GROUP_MAPPINGS: '{"admins": ["superuser"], "staff": ["viewer"]}' }

const env = {
  ...{ ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_ELASTICSEARCH_HOSTS: elasticsearchUrl },
  ...serviceAccount,
  ...mappings,
}

async function startProxy() {
  const gateway = await start({
    flags: {
      ...{ auth_provider: 'users', admin_roles: 'superuser', 'cache.type': 'none' },
      ...{ 'proxy.enabled': 'true', 'proxy.elasticsearch_url': elasticsearchUrl },
    },
    env: { ...usersEnv, ...mappings },
  })
  return {
    /** Signs in, and uses the session, so that there is a user to revoke. */
    async signIn(username: 'alice' | 'bob') {
      const { agent } = await signInWithForm(gateway.url, username, { password: passwords[username] })
      await agent.request(`${gateway.url}/app`)
      const cookie = agent.cookies(gateway.url)
      return (method: string, path: string, body?: URLSearchParams, forwardedFor?: string) =>
        fetch(gateway.url + path, {
          ...{ method, redirect: 'manual' },
          headers: {
            cookie,
            'sec-fetch-site': 'same-origin',
            ...(forwardedFor && { 'x-forwarded-for': forwardedFor }),
          },
          ...(body && { body }),
        })
    },
  }
}

async function revoke(username: string): Promise<void> {
  const { code, stdout, stderr } = await runElastauth(['users', 'revoke', username], env)
  assert.equal(code, 0, stdout + stderr)
}

async function errorOf(response: Response): Promise<unknown[]> {
  return [response.status, ((await response.json()) as { error?: string }).error]
}

test('an administrator who was revoked can neither list nor end sessions with an earlier session, and can after a new sign-in', async () => {
  const { signIn } = await startProxy()
  const path = '/elastauth/admin/users/bob/sessions'
  const former = await signIn('alice')
  assert.equal((await former('GET', path)).status, 200)
  await revoke('alice')
  for (const method of ['GET', 'DELETE']) assert.deepEqual(await errorOf(await former(method, path)), [401, 'revoked'])
  assert.equal((await (await signIn('alice'))('GET', path)).status, 200)
})

test('an administrator who was revoked cannot read /elastauth/config with an earlier session, and can after a new sign-in', async () => {
  const { signIn } = await startProxy()
  // a forwarded request, because requests from this machine need no identity
  const readConfig = async (request: Awaited<ReturnType<typeof signIn>>) =>
    request('GET', '/elastauth/config', undefined, '203.0.113.7')
  const former = await signIn('alice')
  assert.equal((await readConfig(former)).status, 200)
  await revoke('alice')
  assert.deepEqual(await errorOf(await readConfig(former)), [401, 'revoked'])
  assert.equal((await readConfig(await signIn('alice'))).status, 200)
})

test('a session from before a revocation neither lists nor ends the sessions of its user at the account page, and ends there', async () => {
  const { signIn } = await startProxy()
  const path = '/elastauth/account'
  const [thief, other] = [await signIn('bob'), await signIn('bob')]
  await revoke('bob')
  const bob = await signIn('bob')
  assert.deepEqual(await errorOf(await thief('POST', path, new URLSearchParams({ end: 'others' }))), [401, 'revoked'])
  assert.deepEqual(await errorOf(await other('GET', path)), [401, 'revoked'])
  for (const former of [thief, other])
    assert.deepEqual(await errorOf(await former('GET', path)), [401, 'identity_missing'])
  assert.match(await (await bob('GET', path)).text(), /Your sessions/)
})
