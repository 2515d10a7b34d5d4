import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { elasticsearchFlags, type Gateway, startGateway } from '../support/gateway.ts'
import { passwords, signInWithForm, usersEnv, usersFlags } from '../support/sign-in-form.ts'

const elasticsearch = await useElasticsearch()
const index = 'sign-in-form-acceptance'

describe('the sign-in form, with a real Elasticsearch', { skip: elasticsearch.skip }, () => {
  let gateway: Gateway

  before(async () => {
    const { node } = elasticsearch
    await callElasticsearch(node, `/${index}/_doc/1?refresh=true`, { method: 'PUT', body: { text: 'for admins' } })
    gateway = await startGateway({
      flags: {
        ...usersFlags,
        ...elasticsearchFlags,
        'elasticsearch.hosts': node.url,
        'proxy.enabled': 'true',
        'proxy.elasticsearch_url': node.url,
      },
      env: {
        ...usersEnv,
        ELASTAUTH_ELASTICSEARCH_USERNAME: node.username,
        ELASTAUTH_ELASTICSEARCH_PASSWORD: node.password,
        ELASTAUTH_GROUP_MAPPINGS: '{"admins": ["viewer"], "staff": ["monitoring_user"]}',
      },
    })
  })
  after(async () => {
    await gateway?.stop()
    for (const path of [`/${index}`, '/_security/user/alice', '/_security/user/bob'])
      await callElasticsearch(elasticsearch.node, path, { method: 'DELETE' })
  })

  test('two users sign in, each reaches Elasticsearch with the rights of their own groups, and their sign-outs end that', async () => {
    const { url } = gateway
    const alice = await signInWithForm(url, 'alice')
    const bob = await signInWithForm(url, 'bob', { password: passwords.bob })
    for (const [username, { agent }, role, status] of [
      ['alice', alice, 'viewer', 200],
      ['bob', bob, 'monitoring_user', 403],
    ] as const) {
      const user = (await (await agent.request(`${url}/_security/_authenticate`)).json()) as Record<string, unknown>
      assert.deepEqual([user.username, user.roles], [username, [role]])
      assert.equal((await agent.request(`${url}/${index}/_search`)).status, status)
    }
    await alice.agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    assert.equal((await alice.agent.request(`${url}/${index}/_search`)).status, 302)
    assert.equal((await bob.agent.request(`${url}/_security/_authenticate`)).status, 200)
  })
})
