import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { createRandom } from '../support/fuzz/random.ts'
import { authorize, type Gateway, type LogLine, logIn, startGatewayFor } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()

describe('many concurrent users with a real Elasticsearch', { skip: elasticsearch.skip }, () => {
  let gateway: Gateway
  const stamp = Date.now().toString(36)

  before(async () => {
    // On a busy machine the node is slow to serve this many users.
    gateway = await startGatewayFor(elasticsearch.node, { flags: { 'elasticsearch.timeout': '2m' } })
  })
  after(() => gateway.stop())

  async function countWrites(username: string): Promise<number> {
    const isWrite = (line: LogLine) =>
      String(line['event.action']).startsWith('user_') && line['user.name'] === username
    await gateway.logged(isWrite) // it may arrive after the response
    return gateway.log.filter(isWrite).length
  }

  test('1,000 concurrent first requests of a user cause one write and get one credential, which Elasticsearch accepts', async () => {
    const username = `first-${stamp}`
    const responses = await Promise.all(Array.from({ length: 1000 }, () => authorize(gateway, username)))
    assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200])
    const credentials = [...new Set(responses.map(({ authorization }) => authorization))]
    assert.equal(credentials.length, 1)
    assert.equal((await logIn(elasticsearch.node, credentials[0]!)).username, username)
    assert.equal(await countWrites(username), 1)
  })

  test('500 users in random order, each with concurrent requests, get their own credentials', async () => {
    const users = Array.from({ length: 500 }, (_, i) => `crowd-${i}-${stamp}`)
    const wrong: string[] = []
    const random = createRandom(1)
    const visit = async (username: string) => {
      await sleep(random.below(2000))
      const responses = await Promise.all([authorize(gateway, username), authorize(gateway, username)])
      for (const { status, authorization } of responses) {
        assert.equal(status, 200)
        const login = await logIn(elasticsearch.node, authorization)
        if (login.username !== username) wrong.push(`${username} got ${login.status} ${login.username}`)
      }
    }
    await Promise.all(users.map(visit))
    assert.deepEqual(wrong, [])
    for (const username of users) assert.equal(await countWrites(username), 1, username)
  })
})
