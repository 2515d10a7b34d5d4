import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { measureSlowness } from '../support/elasticsearch/slowness.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, type Gateway, logIn, shortLivedKey, startGatewayFor } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
const slowness = elasticsearch.skip ? 1 : await measureSlowness(elasticsearch.node)
const durationMs = Number(process.env.REPLICA_TEST_SECONDS ?? 30) * 1000 * slowness

/** The replicas share only a key and Elasticsearch; one sends hashes and the other plain text. Every credential is checked by a login. */
describe('two replicas without Redis, whose credentials expire after two seconds', { skip: elasticsearch.skip }, () => {
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

  test('two replicas issue only credentials that Elasticsearch accepts, and recover from changes made in Elasticsearch', async () => {
    const { node } = elasticsearch
    const end = Date.now() + durationMs
    const steady = Array.from({ length: 8 }, (_, i) => `steady-${i}-${stamp}`)
    const observed: Observed = { logins: 0, rejected: [], wrong: [] }
    const isDone = () => Date.now() >= end && observed.logins > 3 * steady.length
    const use = (username: string) => useAlternately(username, { node, replicas, observed, isDone })
    const recovers = async (username: string, change: () => Promise<unknown>) => {
      for (const replica of replicas) await authorize(replica, username)
      await change()
      await waitUntilAccepted(username, node, replicas)
    }
    const path = (username: string) => `/_security/user/${username}`
    const [deleted, changed] = [`deleted-${stamp}`, `changed-${stamp}`]
    await Promise.all([
      ...steady.map(use),
      recovers(deleted, () => callElasticsearch(node, path(deleted), { method: 'DELETE' })),
      recovers(changed, () =>
        callElasticsearch(node, `${path(changed)}/_password`, { method: 'POST', body: { password: 'set-elsewhere' } }),
      ),
    ])

    assert.deepEqual(observed.rejected, [])
    assert.deepEqual(observed.wrong, [])
    const { body } = await callElasticsearch(node, path(steady[0]!))
    assert.ok(body[steady[0]!].metadata.elastauth.version > 2, 'the passwords have rotated')
  })
})

type Node = typeof elasticsearch.node
type Observed = { logins: number; rejected: string[]; wrong: string[] }

/** Sends requests of one user to both replicas in turn, like a browser behind a load balancer. */
async function useAlternately(
  username: string,
  bed: Readonly<{ node: Node; replicas: readonly Gateway[]; observed: Observed; isDone: () => boolean }>,
): Promise<void> {
  const { node, replicas, observed, isDone } = bed
  for (let i = 0; !isDone(); i++) {
    const groups = i % 40 < 20 ? 'admins' : 'readers'
    const { status, authorization } = await authorize(replicas[i % 2]!, username, groups)
    const login = await logIn(node, authorization)
    observed.logins++
    const role = groups === 'admins' ? 'kibana_admin' : 'viewer'
    if (status !== 200 || login.status !== 200) observed.rejected.push(`${username}: ${status}, ${login.status}`)
    else if (login.username !== username) observed.wrong.push(`${username} got ${login.username}`)
    else if (login.roles![0] !== role) observed.wrong.push(`${username}: ${login.roles}`)
    await sleep(20)
  }
}

/** Sends requests until Elasticsearch accepts the credentials of both replicas. */
async function waitUntilAccepted(username: string, node: Node, replicas: readonly Gateway[]): Promise<void> {
  for (;;) {
    const logins = await Promise.all(
      replicas.map(async (replica) => logIn(node, (await authorize(replica, username)).authorization)),
    )
    if (logins.every(({ status }) => status === 200)) return
    await sleep(100)
  }
}
