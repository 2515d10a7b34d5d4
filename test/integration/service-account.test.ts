import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, elasticsearchFlags, logIn, startGateway, startGatewayFor } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()

describe('the service account with a real Elasticsearch', { skip: elasticsearch.skip }, () => {
  const stamp = Date.now().toString(36)

  test('a gateway with an API key instead of a password creates users', async () => {
    const { node } = elasticsearch
    const { body } = await callElasticsearch(node, '/_security/api_key', {
      method: 'POST',
      body: { name: `elastauth-${stamp}`, role_descriptors: { elastauth: { cluster: ['manage_security'] } } },
    })
    const gateway = await startGateway({
      flags: { ...elasticsearchFlags, default_roles: 'viewer', 'elasticsearch.hosts': node.url },
      env: { ELASTAUTH_ELASTICSEARCH_API_KEY: body.encoded },
    })
    const { authorization } = await authorize(gateway, `by-key-${stamp}`)
    assert.equal((await logIn(node, authorization)).username, `by-key-${stamp}`)
    assert.equal(await gateway.stop(), 0)
  })

  test('a missing privilege is named in the log, at startup and for the request', async () => {
    const { node } = elasticsearch
    const username = `powerless-${stamp}`
    const password = 'powerless-password'
    await callElasticsearch(node, `/_security/user/${username}`, {
      method: 'PUT',
      body: { password, roles: ['viewer'] },
    })
    const gateway = await startGatewayFor({ url: node.url, username, password })
    await gateway.logged(({ message }) => /lacks the cluster privilege manage_security/.test(message!))
    assert.equal((await authorize(gateway, `new-user-${stamp}`)).status, 502)
    await gateway.logged(({ message }) =>
      /GET \/ 502 .*granted by the cluster privileges \[.*manage_security/.test(message!),
    )
    assert.equal(await gateway.stop(), 0)
  })

  test('a configured role that Elasticsearch does not have is named in the log', async () => {
    const gateway = await startGatewayFor(elasticsearch.node, { flags: { default_roles: 'viewer,veiwer' } })
    await gateway.logged(({ message }) => /has no role veiwer, so/.test(message!))
    assert.equal(await gateway.stop(), 0)
  })
})
