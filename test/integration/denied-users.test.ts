import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, elasticsearchFlags, logIn, startGateway } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
const start = () =>
  startGateway({
    flags: { ...elasticsearchFlags, 'elasticsearch.hosts': elasticsearch.node.url },
    env: {
      ELASTAUTH_ELASTICSEARCH_USERNAME: elasticsearch.node.username,
      ELASTAUTH_ELASTICSEARCH_PASSWORD: elasticsearch.node.password,
      ELASTAUTH_GROUP_MAPPINGS: '{"readers":["viewer"],"staff":["viewer"]}',
    },
  })

describe('a denied user in a real Elasticsearch', { skip: elasticsearch.skip }, () => {
  async function userOf(username: string) {
    const { body } = await callElasticsearch(elasticsearch.node, `/_security/user/${username}`)
    return body[username] as { enabled: boolean; roles: string[]; metadata: { groups: string[] } }
  }

  async function waitUntilDenied(username: string): Promise<void> {
    while ((await userOf(username)).roles.length > 0) await sleep(20)
  }

  /** The node clears its cache of logins after the user is written. */
  async function waitUntilRejected(authorization: string | null): Promise<void> {
    while ((await logIn(elasticsearch.node, authorization)).status !== 401) await sleep(20)
  }

  test('a denied user loses the roles and the password in Elasticsearch, stays enabled, and is admitted again once the groups return', async (context) => {
    const gateway = await start()
    context.after(() => gateway.stop())
    const former = await authorize(gateway, 'leaver', 'readers')
    assert.equal((await logIn(elasticsearch.node, former.authorization)).status, 200)
    for (let i = 0; i < 100; i++) assert.equal((await authorize(gateway, 'leaver', 'guests')).status, 403)
    await waitUntilDenied('leaver')
    assert.deepEqual((await userOf('leaver')).enabled, true)
    await waitUntilRejected(former.authorization)
    const { authorization } = await authorize(gateway, 'leaver', 'readers')
    assert.deepEqual((await logIn(elasticsearch.node, authorization)).roles, ['viewer'])
    await gateway.logged((line) => line['event.action'] === 'user_changed') // it may arrive after the response
    const actions = gateway.log.flatMap((line) => line['event.action'] ?? [])
    assert.deepEqual(
      actions.filter((action) => String(action).startsWith('user_')),
      ['user_created', 'user_denied', 'user_changed'],
    )
  })

  test('a denied user loses a password that the user has just set', async (context) => {
    const { node } = elasticsearch
    const gateway = await start()
    context.after(() => gateway.stop())
    const { authorization } = await authorize(gateway, 'stayer', 'readers')
    const { status } = await callElasticsearch(node, '/_security/user/_password', {
      method: 'POST',
      as: null,
      headers: { authorization: authorization! },
      body: { password: 'set-by-the-user' },
    })
    assert.equal(status, 200)
    const own = `Basic ${btoa('stayer:set-by-the-user')}`
    assert.equal((await logIn(node, own)).status, 200)
    assert.equal((await authorize(gateway, 'stayer', '')).status, 403)
    await waitUntilDenied('stayer')
    await waitUntilRejected(own)
  })

  test('a user keeps roles and password if the proxy sends no groups header', async (context) => {
    const gateway = await start()
    context.after(() => gateway.stop())
    const { authorization } = await authorize(gateway, 'keeper', 'readers')
    for (let i = 0; i < 20; i++) {
      const response = await fetch(gateway.url, { headers: { 'Remote-User': 'keeper' } })
      assert.equal(response.status, 403)
    }
    assert.deepEqual((await userOf('keeper')).roles, ['viewer'])
    assert.equal((await logIn(elasticsearch.node, authorization)).status, 200)
  })

  test('if a gateway is killed while it denies a user, the next gateway completes the denial', async () => {
    for (const delay of [0, 5, 15]) {
      const username = `killed-${delay}`
      const first = await start()
      const { authorization } = await authorize(first, username, 'readers')
      assert.equal((await authorize(first, username, 'guests')).status, 403)
      await sleep(delay)
      const exited = new Promise((resolve) => first.process.once('exit', resolve))
      first.process.kill('SIGKILL')
      await exited
      const second = await start()
      assert.equal((await authorize(second, username, 'guests')).status, 403)
      await waitUntilDenied(username)
      await waitUntilRejected(authorization)
      const back = await authorize(second, username, 'readers')
      assert.equal((await logIn(elasticsearch.node, back.authorization)).status, 200)
      await second.stop()
    }
  })
})
