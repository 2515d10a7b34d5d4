import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { RedisConnection } from '../../src/redis/connect.ts'
import { createRedis, parseSessionEvent } from '../../src/redis/redis.ts'
import { createSeal } from '../../src/sessions/seal.ts'
import { indexOf, keyOf } from '../../src/sessions/session-id.ts'
import { createSessionSeal } from '../../src/sessions/session-seal.ts'
import { createSessions } from '../../src/sessions/sessions.ts'
import type { SessionEvent, SessionStore } from '../../src/sessions/store.ts'
import { startRedisCluster } from '../support/redis/cluster.ts'
import { collectMessages, type Messages } from '../support/redis/messages.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { testSessionStore } from '../unit/sessions/session-store-contract.ts'

const skip = skipWithoutRedis()

/** The privileges of docs/credentials-model.md, and no others. */
const privileges =
  '~elastauth:1:* &elastauth:1 +getrange +set +del +evalsha +eval +publish +subscribe +ping +info' +
  ' +hget +hmget +hstrlen +hset +hdel +pexpire +pttl +zadd +zcard +zrem +zrangebyscore +zremrangebyscore'

/** The sessions of one replica. The username is always alice. */
function createSessionsIn(store: SessionStore) {
  const failRefresh = () => Promise.reject(new Error('no refresh in this test'))
  return createSessions({
    store,
    seal: createSessionSeal(createSeal(['5eed'.padEnd(64, '0')], 'session')),
    timeouts: { idleTimeoutMs: 3_600_000, lifetimeMs: 3_600_000, graceMs: 0 },
    requestRefresh: failRefresh,
    toIdentity: () => ({ username: 'alice', groups: [], provider: 'oidc' }),
    now: Date.now,
    monotonicNow: () => performance.now(),
    sleep: (milliseconds) => sleep(milliseconds),
    maxCached: 100,
    onRevoked: () => {},
    onRefreshFailure: () => {},
    onEnded: () => {},
  })
}

function readEvent(message: string): SessionEvent {
  const [name = '', ...rest] = message.split(' ')
  return parseSessionEvent(name, rest.join(' '))!
}

type Started = Readonly<{ connection: RedisConnection; clients: readonly Redis[]; stop: () => Promise<void> }>

async function startStandalone(): Promise<Started> {
  const { port, client, stop } = await startRedis({ config: [`user gate on >secret ${privileges}`] })
  const servers = { kind: 'standalone', address: { host: '127.0.0.1', port } } as const
  return {
    connection: { servers, db: 0, username: 'gate', password: 'secret', timeoutMs: 60_000 },
    clients: [client],
    stop,
  }
}

async function startCluster(): Promise<Started> {
  const { nodes, stop } = await startRedisCluster()
  const addresses = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  const connection = { servers: { kind: 'cluster', addresses }, db: 0, timeoutMs: 60_000 } as const
  return { connection, clients: nodes.map(({ client }) => client), stop }
}

for (const [name, start] of [
  ['a real Redis, as a user with minimal privileges', startStandalone],
  ['a real Cluster', startCluster],
] as const) {
  describe(`the session store in ${name}`, { skip }, () => {
    let server: Started
    let redis: ReturnType<typeof createRedis>
    let messages: Messages

    before(async () => {
      server = await start()
      redis = createRedis({ connection: server.connection, onStateChange: () => {} })
      await redis.start()
      messages = await collectMessages(server.clients)
    })
    after(async () => {
      redis.close()
      messages.stop()
      await server.stop()
    })

    test(`the session store in ${name} passes the probe, which leaves no session`, async () => {
      await redis.probe(true)
      assert.equal(await redis.sessions.get('probe'), undefined)
    })

    test(`the session store in ${name} keeps at most 50 sessions after 120 concurrent sign-ins of one user, and keeps other users' sessions`, async () => {
      for (const client of server.clients) await client.flushall()
      const replicas = [0, 1, 2].map(() => createSessionsIn(redis.sessions))
      const loginOf = (subject: string) => ({
        subject,
        claims: {},
        fromUserinfo: [],
        refreshToken: 'token',
        tokenExpiresAt: Date.now() + 3_600_000,
      })
      const other = await replicas[0]!.create(loginOf('bob'))
      const ids = await Promise.all(Array.from({ length: 120 }, (_, i) => replicas[i % 3]!.create(loginOf('alice'))))
      const exists = await Promise.all(ids.map((id) => redis.sessions.has(keyOf(id))))
      const count = exists.filter(Boolean).length
      assert.ok(count > 0 && count <= 50, `${count} sessions`)
      assert.equal((await redis.sessions.listIndex(indexOf('sub', 'alice'))).length, count)
      const latest = await replicas[1]!.create(loginOf('alice'))
      for (const id of [other, latest]) assert.ok(await redis.sessions.has(keyOf(id)))
      assert.equal(await replicas[2]!.revokeAll('sub', 'alice'), Math.min(count + 1, 50))
    })

    test(`the session store in ${name} treats a key of another type as an ended session, and accepts the next sign-in`, async () => {
      for (const client of server.clients) await client.flushall()
      const sessions = createSessionsIn(redis.sessions)
      const login = { subject: 'alice', claims: {}, fromUserinfo: [], tokenExpiresAt: Date.now() + 3_600_000 }
      const id = await sessions.create(login)
      for (const [kind, name] of [
        ['session', keyOf(id)],
        ['list', indexOf('sub', 'alice')],
      ]) {
        const key = `elastauth:1:${kind}:${name}`
        // In a cluster, the nodes without the key reject it.
        await Promise.any(server.clients.map((client) => client.del(key)))
        await Promise.any(server.clients.map((client) => client.rpush(key, 'a list')))
      }
      assert.equal(await sessions.find(id), undefined)
      assert.equal(await sessions.revokeAll('sub', 'alice'), 0)
      const next = await sessions.create(login)
      assert.equal((await sessions.find(next))?.username, 'alice')
      assert.equal(await sessions.revokeAll('sub', 'alice'), 1)
    })

    testSessionStore(async () => {
      for (const client of server.clients) await client.flushall()
      await messages.clear()
      return {
        store: redis.sessions,
        advance: (milliseconds) => sleep(milliseconds),
        receivedEvents: async () => (await messages.received()).map(readEvent),
      }
    }, skip)
  })
}

test('in a full Redis, a session that is used does not expire, and its last use is stored', {
  skip,
}, async () => {
  const server = await startRedis()
  const servers = { kind: 'standalone', address: { host: '127.0.0.1', port: server.port } } as const
  const failures: string[] = []
  const redis = createRedis({
    connection: { servers, db: 0, timeoutMs: 60_000 },
    countCall: (operation, result) => void (result !== 'ok' && failures.push(operation)),
    onStateChange: () => {},
  })
  try {
    await redis.start()
    await redis.sessions.put('id', { value: 'one', ttlMs: 60_000, description: 'd' })
    await server.client.config('SET', 'maxmemory', '1')
    await redis.sessions.touch('id', 3_600_000)
    assert.ok((await server.client.pttl('elastauth:1:session:id')) > 60_000)
    assert.ok((await redis.sessions.readDetails('id'))?.usedAt)
    assert.deepEqual(failures, [])
  } finally {
    redis.close()
    await server.stop()
  }
})
