import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { startGatewayFor } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
const mappings = '{"admins":["kibana_admin"],"readers":["viewer"]}'

describe('200 disables by an administrator while two identities of the user alternate', {
  skip: elasticsearch.skip,
}, () => {
  const headers = [{ 'Remote-Groups': 'readers', 'Remote-Name': 'Ann' }, { 'Remote-Groups': 'readers' }]
  test('no disable by an administrator is undone while two identities alternate that differ in the name', async (context) => {
    const { node } = elasticsearch
    const username = 'disabled'
    const gateway = await startGatewayFor(node, {
      flags: { 'cache.revalidate': '1h' }, // on a busy machine, the test takes longer than the default of a minute
      env: { ELASTAUTH_GROUP_MAPPINGS: mappings },
    })
    context.after(() => gateway.stop())
    const request = async (index: number) => {
      const response = await fetch(gateway.url, { headers: { 'Remote-User': username, ...headers[index % 2] } })
      await response.arrayBuffer()
    }
    const setState = async (operation: '_enable' | '_disable') => {
      // Elasticsearch responds with 409 to an administrator whose change conflicts with a write; the administrator retries.
      for (let status = 409; status !== 200; ) {
        status = (await callElasticsearch(node, `/_security/user/${username}/${operation}`, { method: 'PUT' })).status
        assert.ok([200, 409].includes(status), String(status))
      }
    }
    await request(0)
    let isDone = false
    const clients = Array.from({ length: 4 }, async (_, client) => {
      for (let index = client; !isDone; index++) {
        await request(index)
        await sleep(5)
      }
    })
    let undone = 0
    try {
      for (let i = 0; i < 200; i++) {
        await setState('_disable')
        await sleep(10)
        const { body } = await callElasticsearch(node, `/_security/user/${username}`)
        if (body[username].enabled) undone++
        await setState('_enable')
      }
    } finally {
      isDone = true
      await Promise.all(clients)
    }
    const writes = gateway.log.filter((line) => String(line['event.action']).startsWith('user_')).length - 1
    assert.deepEqual([undone, writes], [0, 0])
  })
})
