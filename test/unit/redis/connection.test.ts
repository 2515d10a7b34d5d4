import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../../config/load.ts'
import { redisConnection } from '../../../src/app/options/redis.ts'

const base = { ELASTAUTH_SECRET_KEY: '0123456789abcdef'.repeat(4), ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' }

function connectionOf(env: Readonly<Record<string, string>>) {
  const prefixed = Object.fromEntries(Object.entries(env).map(([key, value]) => [`ELASTAUTH_CACHE_${key}`, value]))
  return redisConnection(loadConfig({ file: null, env: { ...base, ...prefixed }, flags: {} }).config)
}

test('reads the address, database and credentials of Redis from redis_host, redis_db, redis_username and redis_password', () => {
  const connection = connectionOf({ REDIS_HOST: '[::1]:7000', REDIS_DB: '2', REDIS_USERNAME: 'u', REDIS_PASSWORD: 'p' })
  assert.deepEqual(connection, {
    servers: { kind: 'standalone', address: { host: '::1', port: 7000 } },
    db: 2,
    username: 'u',
    password: 'p',
    tls: undefined,
    timeoutMs: 250,
  })
})

test('reads the decoded parts of redis_url, with defaults for the port and the database', () => {
  const { tls, ...connection } = connectionOf({ REDIS_URL: 'rediss://gate:p%40ss%2Fw%3Ard@redis' })
  assert.deepEqual(connection, {
    servers: { kind: 'standalone', address: { host: 'redis', port: 6379 } },
    db: 0,
    username: 'gate',
    password: 'p@ss/w:rd',
    timeoutMs: 250,
  })
  assert.ok(tls)
  assert.equal(connectionOf({ REDIS_URL: 'redis://:only@redis:1/7' }).password, 'only')
  assert.equal(connectionOf({ REDIS_URL: 'redis://:100%@redis' }).password, '100%')
  assert.equal(connectionOf({ REDIS_URL: 'redis://redis/7' }).db, 7)
  assert.equal(connectionOf({ REDIS_URL: 'redis://[::1]:7000' }).servers.kind, 'standalone')
})

test('reads the addresses of Sentinels and of a Cluster, and uses TLS if redis_tls is set', () => {
  const sentinels = connectionOf({ REDIS_SENTINELS: 'a:1,b:2', REDIS_SENTINEL_MASTER: 'm', REDIS_TLS: 'true' })
  assert.deepEqual(sentinels.servers, {
    kind: 'sentinels',
    addresses: [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ],
    master: 'm',
    password: undefined,
  })
  assert.ok(sentinels.tls)
  assert.equal(connectionOf({ REDIS_CLUSTER: 'a:1' }).servers.kind, 'cluster')
})

test('rejects Redis settings that are invalid or contradict each other', () => {
  const invalid: readonly [Readonly<Record<string, string>>, RegExp][] = [
    [{ REDIS_URL: 'redis://redis/cache' }, /redis_url.*more than a database number/],
    [{ REDIS_URL: 'redis://redis/0?tls=1' }, /redis_url.*more than a database number/],
    [{ REDIS_CLUSTER: 'a:1', REDIS_DB: '1' }, /redis_db.*Cluster has only database 0/],
    [{ REDIS_CLUSTER: 'a:1', REDIS_SENTINELS: 'b:2', REDIS_SENTINEL_MASTER: 'm' }, /is set together with/],
    [{ REDIS_CLIENT_CERT: process.execPath }, /redis_client_(cert|key)/],
  ]
  for (const [env, message] of invalid) assert.throws(() => connectionOf(env), message)
})
