import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, type Gateway, logIn, startGatewayFor } from '../support/gateway.ts'

// A separate node: the tests of other files need the shared one to run.
const elasticsearch = await useElasticsearch({ own: true })

describe('a restart of Elasticsearch', { skip: elasticsearch.skip }, () => {
  let gateway: Gateway

  before(async () => {
    gateway = await startGatewayFor(elasticsearch.node, {
      flags: { 'elasticsearch.timeout': '2s', 'cache.revalidate': '1s' },
    })
  })
  after(() => gateway.stop())

  test('while Elasticsearch restarts, cached users get their credential and other users get 503, and afterwards all users are served without a gateway restart', async () => {
    const { node } = elasticsearch
    await waitUntilServed('cached') // a busy node may take longer than the timeout
    const { authorization } = await authorize(gateway, 'cached')
    assert.equal((await logIn(node, authorization)).username, 'cached')

    await node.stop({ keepData: true })
    for (let i = 0; i < 30; i++) {
      assert.deepEqual(await authorize(gateway, 'cached'), { status: 200, authorization })
      await sleep(100) // several background checks fail in this time
    }
    assert.equal((await authorize(gateway, 'newcomer')).status, 503)
    assert.equal((await fetch(`${gateway.url}/elastauth/ready`)).status, 503)
    assert.equal((await fetch(`${gateway.url}/elastauth/live`)).status, 200)

    await node.start()
    await waitUntilServed('newcomer')
    assert.equal((await logIn(node, (await authorize(gateway, 'newcomer')).authorization)).username, 'newcomer')
    const kept = await authorize(gateway, 'cached')
    assert.equal(
      (await logIn(node, kept.authorization)).username,
      'cached',
      'the cached credential is still the stored one',
    )
    assert.equal(kept.authorization, authorization)
  })

  /** A starting or busy node may reject all logins or not respond for a moment: the gateway responds with 503 then, never 401 or 403. */
  async function waitUntilServed(username: string): Promise<void> {
    for (;;) {
      const { status } = await authorize(gateway, username)
      if (status === 200) return
      assert.equal(status, 503)
      await sleep(100)
    }
  }
})
