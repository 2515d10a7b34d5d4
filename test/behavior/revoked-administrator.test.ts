import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testKey } from '../support/gateway.ts'
import { passwords, signInWithForm, usersEnv } from '../support/sign-in-form.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, serviceAccount } from './fixture.ts'

const { start, elasticsearchUrl } = await createFixture()
const mappings = { ELASTAUTH_GROUP_MAPPINGS: '{"admins": ["superuser"], "staff": ["viewer"]}' }

test('an administrator who was revoked can neither list nor end sessions with an earlier session, and can after a new sign-in', async () => {
  const gateway = await start({
    flags: {
      ...{ auth_provider: 'users', admin_roles: 'superuser', 'cache.type': 'none' },
      ...{ 'proxy.enabled': 'true', 'proxy.elasticsearch_url': elasticsearchUrl },
    },
    env: { ...usersEnv, ...mappings },
  })
  const path = `${gateway.url}/elastauth/admin/users/bob/sessions`
  const signIn = async () => (await signInWithForm(gateway.url, 'alice', { password: passwords.alice })).agent
  const call = (agent: Awaited<ReturnType<typeof signIn>>, method: string) =>
    fetch(path, { method, headers: { cookie: agent.cookies(gateway.url), 'sec-fetch-site': 'same-origin' } })

  const former = await signIn()
  assert.equal((await call(former, 'GET')).status, 200)
  await former.request(`${gateway.url}/app`)
  const env = {
    ...{ ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_ELASTICSEARCH_HOSTS: elasticsearchUrl },
    ...serviceAccount,
    ...mappings,
  }
  const revocation = await runElastauth(['users', 'revoke', 'alice'], env)
  assert.equal(revocation.code, 0, revocation.stdout + revocation.stderr)
  for (const method of ['GET', 'DELETE']) {
    const response = await call(former, method)
    assert.deepEqual([response.status, ((await response.json()) as { error?: string }).error], [401, 'revoked'], method)
  }
  assert.equal((await call(await signIn(), 'GET')).status, 200)
})
