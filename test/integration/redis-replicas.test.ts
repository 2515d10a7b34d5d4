import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { measureSlowness } from '../support/elasticsearch/slowness.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, type Gateway, logIn, shortLivedKey, startGateway } from '../support/gateway.ts'
import { startHashRejectingProxy } from '../support/hash-rejecting-proxy.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'

const elasticsearch = await useElasticsearch()
const skip = elasticsearch.skip || skipWithoutRedis()
const slowness = skip ? 1 : await measureSlowness(elasticsearch.node)
const span = Number(process.env.REPLICA_TEST_SECONDS ?? 30) * 1000 * slowness
/** One replica in three has its passwords hashed by bcrypt, which keeps a processor busy: as many as this machine's node can handle. */
const userCount = Number(process.env.REPLICA_TEST_USERS ?? Math.min(50, 6 * availableParallelism()))
const expiration = Math.round(2000 * slowness)
const pause = Math.min(10_000, Math.round(1000 * slowness))
const aheadScript = fileURLToPath(new URL('../support/future-time.ts', import.meta.url))

type Seen = {
  logins: number
  refused: string[]
  wrong: string[]
  failed: string[]
  /** Changes of group that we made. */
  changes: number
  /** Kills and restarts. */
  faults: number
}

/**
 * Three processes, one Redis, one Elasticsearch; credentials of two seconds; every credential that is handed out is shown
 * to Elasticsearch at once, while replicas and Redis are killed and started again.
 */
describe('three replicas and one Redis, credentials of two seconds', { skip }, () => {
  for (const skew of [0, 500]) {
    test(`the clocks ${skew} ms apart: no 401, nobody else’s user, no write too many`, async () => {
      const redis = await startRedis()
      const stamp = `${Date.now().toString(36)}-${skew}`
      const { url } = elasticsearch.node
      const rejecting = await startHashRejectingProxy(url)
      // One sends hashes, one sends texts as older releases do, and one learns that its node does not take hashes.
      const places = [
        { url, hashing: 'pbkdf2_1000' },
        { url, hashing: 'server' },
        { url: rejecting.url, hashing: 'pbkdf2_1000' },
      ] as const
      const replicas = await Promise.all(
        places.map((place, index) => createReplica({ redis: redis.address, ahead: (index * skew) / 2, ...place })),
      )
      const seen: Seen = { logins: 0, refused: [], wrong: [], failed: [], changes: 0, faults: 0 }
      const end = Date.now() + span
      // Where the machine is too busy for that many logins in the span, the users go on undisturbed until there are.
      const isOver = () => Date.now() >= end && seen.logins > 3 * userCount
      const users = Array.from({ length: userCount }, (_, i) => `user-${i}-${stamp}`)
      await Promise.all([
        ...users.map((username, index) => use(username, index, replicas, isOver, seen)),
        killReplicas(replicas, end, seen),
        killRedis(redis, end, seen),
      ])

      const writes = replicas.reduce((sum, replica) => sum + replica.writes(), 0)
      const versions = await Promise.all(users.map(versionOf))
      const rotations = versions.reduce((sum, version) => sum + version, 0)
      const necessary = rotations + seen.changes
      console.log(
        `a node ${slowness.toFixed(1)} times slower than usual, clocks ${skew} ms apart: ${seen.logins} logins, ${seen.changes} changes of group, ${rotations} versions, ` +
          `${writes} writes, ${seen.faults} faults; ${seen.refused.length} refused, ${seen.wrong.length} wrong, ${seen.failed.length} failed`,
      )
      await Promise.all(replicas.map((replica) => replica.stop()))
      await redis.stop()
      rejecting.close()

      assert.deepEqual(seen.refused, [], 'what Elasticsearch refused')
      assert.deepEqual(seen.wrong, [], 'who was somebody else, or had other roles')
      assert.deepEqual(seen.failed, [], 'who was not served')
      assert.ok(rotations > 2 * userCount, 'passwords did rotate')
      // In the second that Redis is gone for, a third of the users rotate, and two replicas may write each of them.
      assert.ok(writes <= necessary + (seen.faults * userCount) / 3, `${writes} writes for ${necessary}`)
    })
  }
})

/** A user who comes to another replica each time, as behind a load balancer, and whose groups change now and then. */
async function use(
  username: string,
  index: number,
  replicas: Replica[],
  isOver: () => boolean,
  seen: Seen,
): Promise<void> {
  let groups = 'readers'
  for (let turn = index; !isOver(); turn++) {
    if (turn % 17 === 16) {
      groups = groups === 'readers' ? 'admins' : 'readers'
      seen.changes++
    }
    const replica = replicas.filter(({ isUp }) => isUp())[turn % 2] ?? replicas.find(({ isUp }) => isUp())!
    const generation = replica.generation()
    const answer = await authorize(replica.gateway(), username, groups).catch(() => undefined)
    if (answer === undefined) {
      if (replica.isUp() && replica.generation() === generation) seen.failed.push(`${username}: no answer`)
      continue // it was killed, and the load balancer would ask another
    }
    const login = await logIn(elasticsearch.node, answer.authorization)
    seen.logins++
    if (answer.status !== 200) seen.failed.push(`${username}: ${answer.status}`)
    else if (login.status !== 200) seen.refused.push(`${username}: ${login.status}`)
    else if (login.username !== username) seen.wrong.push(`${username} got ${login.username}`)
    else if (login.roles![0] !== (groups === 'admins' ? 'kibana_admin' : 'viewer'))
      seen.wrong.push(`${username}: ${login.roles} for ${groups}`)
    await sleep(50)
  }
}

async function killReplicas(replicas: Replica[], end: number, seen: Seen): Promise<void> {
  for (let turn = 0; Date.now() < end - 5000 * slowness; turn++) {
    await sleep(4000 * slowness)
    seen.faults++
    await replicas[turn % replicas.length]!.restart()
  }
}

async function killRedis(redis: Awaited<ReturnType<typeof startRedis>>, end: number, seen: Seen): Promise<void> {
  while (Date.now() < end - 6000 * slowness) {
    await sleep(5000 * slowness)
    seen.faults++
    await redis.kill()
    await sleep(1000)
    await redis.start()
  }
}

async function versionOf(username: string): Promise<number> {
  const { url, username: name, password } = elasticsearch.node
  const response = await fetch(`${url}/_security/user/${username}`, {
    headers: { authorization: `Basic ${btoa(`${name}:${password}`)}` },
  })
  const body = (await response.json()) as Record<string, { metadata: { elastauth: { version: number } } }>
  return body[username]?.metadata.elastauth.version ?? 0
}

type Replica = Awaited<ReturnType<typeof createReplica>>

type Place = Readonly<{ redis: string; url: string; ahead: number; hashing: 'pbkdf2_1000' | 'server' }>

async function createReplica({ redis, url, ahead, hashing }: Place) {
  const { username, password } = elasticsearch.node
  const start = () =>
    startGateway({
      flags: {
        'elasticsearch.hosts': url,
        'elasticsearch.password_hashing': hashing,
        'cache.type': 'redis',
        'cache.redis_host': redis,
        'cache.expiration': `${expiration}ms`,
        'cache.rotation_pause': `${pause}ms`,
        'cache.revalidate': '1s',
        'elasticsearch.timeout': '60s', // a node that is busy with bcrypt is slow, which is not a fault in this test
      },
      env: {
        ELASTAUTH_SECRET_KEY: shortLivedKey,
        ELASTAUTH_ELASTICSEARCH_USERNAME: username,
        ELASTAUTH_ELASTICSEARCH_PASSWORD: password,
        ELASTAUTH_GROUP_MAPPINGS: '{"admins":["kibana_admin"],"readers":["viewer"]}',
        TEST_CLOCK_AHEAD: String(ahead),
      },
      nodeArguments: ['--import', aheadScript],
    })
  let gateway = await start()
  let up = true
  let generation = 0
  let former = 0
  const writesOf = ({ log }: Gateway) => log.filter((line) => /^user_/.test(String(line['event.action']))).length

  return Object.freeze({
    gateway: () => gateway,
    isUp: () => up,
    generation: () => generation,
    writes: () => former + writesOf(gateway),
    stop: () => gateway.stop(),
    /** SIGKILL: nothing is finished. */
    async restart() {
      up = false
      generation++
      const exited = new Promise((resolve) => gateway.process.once('exit', resolve))
      gateway.process.kill('SIGKILL')
      await exited
      former += writesOf(gateway)
      gateway = await start()
      up = true
    },
  })
}
