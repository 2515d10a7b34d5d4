import { after, before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRedis } from '../../src/redis/redis.ts'
import { collectMessages, type Messages } from '../support/redis/messages.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { testSharedStore } from '../unit/auth/credentials/shared-store-contract.ts'

const skip = skipWithoutRedis()

describe('the store of shared users in a real Redis', { skip }, () => {
  let server: RedisServer
  let redis: ReturnType<typeof createRedis>
  let messages: Messages

  before(async () => {
    server = await startRedis()
    redis = createRedis({
      connection: {
        servers: { kind: 'standalone', address: { host: '127.0.0.1', port: server.port } },
        db: 0,
        timeoutMs: 60_000,
      },
      onStateChange: () => {},
    })
    await redis.start()
    messages = await collectMessages([server.client])
  })
  after(async () => {
    redis.close()
    messages.stop()
    await server.stop()
  })

  testSharedStore(async () => {
    await server.client.flushall()
    await messages.clear()
    return { store: redis.store, notifications: messages.received, pass: sleep }
  }, skip)
})
