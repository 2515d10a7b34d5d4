import { after, before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRedis } from '../../src/redis/redis.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { eventually } from '../support/wait.ts'
import { testSharedStore } from '../unit/auth/credentials/shared-store-contract.ts'

const skip = skipWithoutRedis()

describe('the store of shared users in a real Redis', { skip }, () => {
  let server: RedisServer
  let redis: ReturnType<typeof createRedis>
  const received: string[] = []

  before(async () => {
    server = await startRedis()
    redis = createRedis({
      connection: {
        servers: { kind: 'standalone', address: { host: '127.0.0.1', port: server.port } },
        db: 0,
        timeoutMs: 5000,
      },
      onStateChange: () => {},
    })
    await redis.start()
    const listening = Promise.withResolvers<void>()
    redis.listen({ onChange: (name, id) => received.push(`${name} ${id}`), onListening: listening.resolve })
    await listening.promise
  })
  after(async () => {
    redis.close()
    await server.stop()
  })

  testSharedStore(async () => {
    await server.client.flushall()
    received.length = 0
    return {
      store: redis.store,
      async notifications() {
        await server.client.publish('elastauth:1', 'the end')
        await eventually(
          async () => received.at(-1),
          (last) => last === 'the end',
        )
        return received.slice(0, -1)
      },
      pass: sleep,
    }
  }, skip)
})
