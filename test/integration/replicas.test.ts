import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { measureSlowness } from '../support/elasticsearch/slowness.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, type Gateway, logIn, shortLivedKey, startGatewayFor } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
const slowness = elasticsearch.skip ? 1 : await measureSlowness(elasticsearch.node)
const span = Number(process.env.REPLICA_TEST_SECONDS ?? 30) * 1000 * slowness

/**
 * Two processes, one of which sends passwords as hashes and one as texts, that share nothing but a key and Elasticsearch, credentials that live two seconds, and every credential
 * that either hands out shown to Elasticsearch at once.
 */
describe('two replicas without Redis, credentials of two seconds', { skip: elasticsearch.skip }, () => {
  let replicas: Gateway[]
  const stamp = Date.now().toString(36)

  before(async () => {
    const flags = {
      'cache.expiration': `${Math.round(2000 * slowness)}ms`,
      'cache.revalidate': '1s',
      'elasticsearch.timeout': '60s',
    }
    const env = {
      ELASTAUTH_SECRET_KEY: shortLivedKey,
      ELASTAUTH_GROUP_MAPPINGS: '{"admins":["kibana_admin"],"readers":["viewer"]}',
    }
    replicas = await Promise.all([
      startGatewayFor(elasticsearch.node, { flags, env }),
      startGatewayFor(elasticsearch.node, { flags: { ...flags, 'elasticsearch.password_hashing': 'server' }, env }),
    ])
  })
  after(() => Promise.all(replicas.map((replica) => replica.stop())))

  test('not one 401 in steady use, and what somebody changes underneath heals', async () => {
    const { node } = elasticsearch
    const end = Date.now() + span
    const steady = Array.from({ length: 8 }, (_, i) => `steady-${i}-${stamp}`)
    const seen = { logins: 0, refused: [] as string[], wrong: [] as string[] }

    /** One user on both replicas, as a browser behind a load balancer comes. */
    const use = async (username: string) => {
      for (let turn = 0; Date.now() < end || seen.logins <= 3 * steady.length; turn++) {
        const groups = turn % 40 < 20 ? 'admins' : 'readers'
        const { status, authorization } = await authorize(replicas[turn % 2]!, username, groups)
        const login = await logIn(node, authorization)
        seen.logins++
        if (status !== 200 || login.status !== 200) seen.refused.push(`${username}: ${status}, ${login.status}`)
        else if (login.username !== username) seen.wrong.push(`${username} got ${login.username}`)
        else if (login.roles![0] !== (groups === 'admins' ? 'kibana_admin' : 'viewer'))
          seen.wrong.push(`${username}: ${login.roles}`)
        await sleep(20)
      }
    }
    /** Asks until it has healed; the test's time limit ends what never does. */
    const heals = async (username: string, sabotage: () => Promise<unknown>) => {
      for (const replica of replicas) await authorize(replica, username)
      await sabotage()
      for (;;) {
        const logins = await Promise.all(
          replicas.map(async (r) => logIn(node, (await authorize(r, username)).authorization)),
        )
        if (logins.every(({ status }) => status === 200)) return
        await sleep(100)
      }
    }
    const path = (username: string) => `/_security/user/${username}`
    const [deleted, changed] = [`deleted-${stamp}`, `changed-${stamp}`]
    await Promise.all([
      ...steady.map(use),
      heals(deleted, () => callElasticsearch(node, path(deleted), { method: 'DELETE' })),
      heals(changed, () =>
        callElasticsearch(node, `${path(changed)}/_password`, { method: 'POST', body: { password: 'somebody-else' } }),
      ),
    ])

    assert.deepEqual(seen.refused, [])
    assert.deepEqual(seen.wrong, [])
    const { body } = await callElasticsearch(node, path(steady[0]!))
    assert.ok(body[steady[0]!].metadata.elastauth.version > 2, 'passwords did rotate')
  })
})
