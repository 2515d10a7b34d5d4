import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, logIn, startGatewayFor } from '../support/gateway.ts'
import { eventually } from '../support/wait.ts'

const elasticsearch = await useElasticsearch()

async function startAs(privileges: readonly string[]) {
  const { node } = elasticsearch
  const account = { username: `profiles-${privileges.join('-')}`, password: 'a-long-password' }
  const put = (path: string, body: unknown) => callElasticsearch(node, path, { method: 'PUT', body })
  await put(`/_security/role/${account.username}`, { cluster: privileges })
  await put(`/_security/user/${account.username}`, { password: account.password, roles: [account.username] })
  return startGatewayFor({ url: node.url, ...account }, { flags: { 'kibana.activate_profile': 'true' } })
}

async function hasProfile(username: string): Promise<boolean> {
  const path = `/_security/user/${username}?with_profile_uid=true`
  const { body } = await callElasticsearch(elasticsearch.node, path)
  return typeof body[username]?.profile_uid === 'string'
}

test('manage_security suffices for kibana.activate_profile: the user has a credential at once, and a profile shortly afterwards', {
  skip: elasticsearch.skip,
}, async (context) => {
  const gateway = await startAs(['manage_security'])
  context.after(() => gateway.stop())
  const { status, authorization } = await authorize(gateway, 'profile-by-manager')
  assert.deepEqual([status, (await logIn(elasticsearch.node, authorization)).status], [200, 200])
  await eventually(
    () => hasProfile('profile-by-manager'),
    (found) => found,
  )
  assert.deepEqual(gateway.log.filter(({ 'event.action': action }) => action === 'profile_failed').length, 0)
})

test('manage_user_profile does not replace manage_security: sign-ins get 502, the log names the missing privilege, and no profile is activated', {
  skip: elasticsearch.skip,
}, async (context) => {
  const gateway = await startAs(['manage_user_profile'])
  context.after(() => gateway.stop())
  assert.equal((await authorize(gateway, 'profile-denied')).status, 502)
  const isMissing = ({ message }: { message?: string }) =>
    /lacks the cluster privilege manage_security: give it a role/.test(message ?? '')
  await gateway.logged(isMissing)
  assert.equal((await callElasticsearch(elasticsearch.node, '/_security/user/profile-denied')).status, 404)
  assert.equal(gateway.log.filter(({ 'event.action': action }) => action === 'profile_failed').length, 0)
})

test('with kibana.activate_profile, a new user has a profile soon after the first request', {
  skip: elasticsearch.skip,
}, async (context) => {
  const gateway = await startGatewayFor(elasticsearch.node, { flags: { 'kibana.activate_profile': 'true' } })
  context.after(() => gateway.stop())
  assert.equal((await authorize(gateway, 'profile-one')).status, 200)
  await eventually(
    () => hasProfile('profile-one'),
    (found) => found,
  )
})
