import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, type Gateway, logIn, startGatewayFor } from '../support/gateway.ts'

// A node of its own: the other files' tests want theirs to stay.
const elasticsearch = await useElasticsearch({ own: true })

describe('Elasticsearch stops and comes back', { skip: elasticsearch.skip }, () => {
  let gateway: Gateway

  before(async () => {
    gateway = await startGatewayFor(elasticsearch.node, {
      flags: { 'elasticsearch.timeout': '2s', 'cache.revalidate': '1s' },
    })
  })
  after(() => gateway.stop())

  test('cached users are unharmed, others get 503 and then their turn, without a restart of ours', async () => {
    const { node } = elasticsearch
    const { authorization } = await authorize(gateway, 'cached')
    assert.equal((await logIn(node, authorization)).username, 'cached')

    await node.stop({ keepData: true })
    for (let turn = 0; turn < 30; turn++) {
      assert.deepEqual(await authorize(gateway, 'cached'), { status: 200, authorization })
      await sleep(100) // several background checks fall into this time, and fail
    }
    assert.equal((await authorize(gateway, 'newcomer')).status, 503)
    assert.equal((await fetch(`${gateway.url}/elastauth/ready`)).status, 503)
    assert.equal((await fetch(`${gateway.url}/elastauth/live`)).status, 200)

    await node.start()
    await untilServed('newcomer')
    assert.equal((await logIn(node, (await authorize(gateway, 'newcomer')).authorization)).username, 'newcomer')
    const kept = await authorize(gateway, 'cached')
    assert.equal(
      (await logIn(node, kept.authorization)).username,
      'cached',
      'the cached credential is still the stored one',
    )
    assert.equal(kept.authorization, authorization)
  })

  /** A node that has just started may refuse everybody for a moment: 503, never 401 or 403. */
  async function untilServed(username: string): Promise<void> {
    for (;;) {
      const { status } = await authorize(gateway, username)
      if (status === 200) return
      assert.equal(status, 503)
      await sleep(100)
    }
  }
})
