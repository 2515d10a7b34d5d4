import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, startGatewayFor } from '../support/gateway.ts'
import { eventually } from '../support/wait.ts'

const elasticsearch = await useElasticsearch()

test('with kibana.activate_profile, a new user has a profile soon after the first request', {
  skip: elasticsearch.skip,
}, async (context) => {
  const gateway = await startGatewayFor(elasticsearch.node, { flags: { 'kibana.activate_profile': 'true' } })
  context.after(() => gateway.stop())
  assert.equal((await authorize(gateway, 'profile-one')).status, 200)
  const hasProfile = async () => {
    const { body } = await callElasticsearch(elasticsearch.node, '/_security/user/profile-one?with_profile_uid=true')
    return typeof body['profile-one']?.profile_uid === 'string'
  }
  await eventually(hasProfile, (found) => found)
})
