import { after, before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRedis, readSessionNews } from '../../src/redis/redis.ts'
import type { SessionNews } from '../../src/sessions/store.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { eventually } from '../support/redis/world.ts'
import { testSessionStore } from '../support/session-store-contract.ts'

const skip = skipWithoutRedis()

describe('sessions in a real Redis', { skip }, () => {
  let server: RedisServer
  let redis: ReturnType<typeof createRedis>
  const heard: (SessionNews | 'the end')[] = []

  before(async () => {
    server = await startRedis()
    redis = createRedis({
      connection: { servers: { kind: 'one', address: { host: '127.0.0.1', port: server.port } }, db: 0, timeout: 5000 },
      count: () => {},
      report: () => {},
    })
    await redis.start()
    const listening = Promise.withResolvers<void>()
    redis.listen({
      onChange: (name, rest) => heard.push(readSessionNews(name, rest) ?? 'the end'),
      onListening: listening.resolve,
    })
    await listening.promise
  })
  after(async () => {
    redis.close()
    await server.stop()
  })

  testSessionStore(async () => {
    await server.client.flushall()
    heard.length = 0
    return {
      store: redis.sessions,
      pass: (milliseconds) => sleep(milliseconds),
      async heard() {
        await server.client.publish('elastauth:1', 'the end')
        await eventually(
          async () => heard.at(-1),
          (last) => last === 'the end',
        )
        return heard.slice(0, -1) as SessionNews[]
      },
    }
  }, skip)
})
