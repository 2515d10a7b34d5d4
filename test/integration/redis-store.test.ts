import { after, before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRedis } from '../../src/redis/redis.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { testSharedStore } from '../support/shared-store-contract.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutRedis()

describe('the store in a real Redis', { skip }, () => {
  let server: RedisServer
  let redis: ReturnType<typeof createRedis>
  const heard: string[] = []

  before(async () => {
    server = await startRedis()
    redis = createRedis({
      connection: {
        servers: { kind: 'standalone', address: { host: '127.0.0.1', port: server.port } },
        db: 0,
        timeoutMs: 5000,
      },
      count: () => {},
      onStateChange: () => {},
    })
    await redis.start()
    const listening = Promise.withResolvers<void>()
    redis.listen({ onChange: (name, id) => heard.push(`${name} ${id}`), onListening: listening.resolve })
    await listening.promise
  })
  after(async () => {
    redis.close()
    await server.stop()
  })

  testSharedStore(async () => {
    await server.client.flushall()
    const own = heard
    own.length = 0
    return {
      store: redis.store,
      async notifications() {
        await server.client.publish('elastauth:1', 'the end')
        await eventually(
          async () => own.at(-1),
          (last) => last === 'the end',
        )
        return own.slice(0, -1)
      },
      pass: sleep,
    }
  }, skip)
})
