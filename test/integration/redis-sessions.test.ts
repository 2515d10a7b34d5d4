import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { RedisConnection } from '../../src/redis/connect.ts'
import { createRedis, readSessionNews } from '../../src/redis/redis.ts'
import type { SessionNews } from '../../src/sessions/store.ts'
import { startRedisCluster } from '../support/redis/cluster.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { eventually } from '../support/redis/world.ts'
import { testSessionStore } from '../support/session-store-contract.ts'

const skip = skipWithoutRedis()

/** The rights that docs/credentials-model.md names, and no more. */
const rights =
  '~elastauth:1:* &elastauth:1 +get +set +del +evalsha +eval +publish +subscribe +ping +info' +
  ' +hget +hmget +hset +hdel +pexpire +pttl +zadd +zrangebyscore +zremrangebyscore'

type Started = Readonly<{ connection: RedisConnection; clients: readonly Redis[]; stop: () => Promise<void> }>

async function startOne(): Promise<Started> {
  const { port, client, stop } = await startRedis({ config: [`user gate on >secret ${rights}`] })
  const servers = { kind: 'one', address: { host: '127.0.0.1', port } } as const
  return {
    connection: { servers, db: 0, username: 'gate', password: 'secret', timeout: 5000 },
    clients: [client],
    stop,
  }
}

async function startCluster(): Promise<Started> {
  const { nodes, stop } = await startRedisCluster()
  const addresses = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  const connection = { servers: { kind: 'cluster', addresses }, db: 0, timeout: 5000 } as const
  return { connection, clients: nodes.map(({ client }) => client), stop }
}

for (const [name, start] of [
  ['a real Redis, as a user with few rights', startOne],
  ['a real Cluster', startCluster],
] as const) {
  describe(`sessions in ${name}`, { skip }, () => {
    let server: Started
    let redis: ReturnType<typeof createRedis>
    const heard: (SessionNews | 'the end')[] = []

    before(async () => {
      server = await start()
      redis = createRedis({ connection: server.connection, count: () => {}, report: () => {} })
      await redis.start()
      const listening = Promise.withResolvers<void>()
      redis.listen({
        onChange: (user, rest) => heard.push(readSessionNews(user, rest) ?? 'the end'),
        onListening: listening.resolve,
      })
      await listening.promise
    })
    after(async () => {
      redis.close()
      await server.stop()
    })

    test('the probe finds nothing missing', async () => {
      await redis.probe(true)
      assert.equal(await redis.sessions.get('probe'), undefined)
    })

    testSessionStore(async () => {
      for (const client of server.clients) await client.flushall()
      heard.length = 0
      return {
        store: redis.sessions,
        pass: (milliseconds) => sleep(milliseconds),
        async heard() {
          await server.clients[0]!.publish('elastauth:1', 'the end')
          await eventually(
            async () => heard.at(-1),
            (last) => last === 'the end',
          )
          return heard.slice(0, -1) as SessionNews[]
        },
      }
    }, skip)
  })
}
