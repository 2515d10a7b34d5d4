import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LifecycleRules } from '../../src/auth/credentials/lifecycle.ts'
import { createKeyring } from '../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../src/auth/credentials/password-writer.ts'
import { createRetention } from '../../src/auth/credentials/retention/retention.ts'
import { createSharedCache, type SharedCacheOptions } from '../../src/auth/credentials/shared-cache.ts'
import { noSharedStates } from '../../src/auth/credentials/shared-states.ts'
import { createApiKeys } from '../../src/es/api-keys.ts'
import { createCall } from '../../src/es/call.ts'
import { createElasticsearchClient } from '../../src/es/client.ts'
import { createPasswordHashing } from '../../src/es/password-hashing.ts'
import { createUsers } from '../../src/es/users.ts'
import { createRedis } from '../../src/redis/redis.ts'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, elasticsearchFlags, logIn, startGatewayFor, testKey } from '../support/gateway.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { eventually } from '../support/wait.ts'

const elasticsearch = await useElasticsearch()
const [hour, day] = [60 * 60_000, 24 * 60 * 60_000]

describe('user_retention against a real node', { skip: elasticsearch.skip }, () => {
  const admin = (path: string, method = 'GET', body?: unknown) =>
    callElasticsearch(elasticsearch.node, path, { method, ...(body !== undefined && { body }) })

  /** Applies what is due for these users to a sweep whose clock is ahead, with an account that has only `manage_security`. */
  async function sweep(aheadMs: number, usernames: readonly string[], redis?: RedisServer) {
    await admin('/_security/role/retention-manager', 'PUT', { cluster: ['manage_security'] })
    await admin('/_security/user/retention-manager', 'PUT', { password: 'secret-1', roles: ['retention-manager'] })
    const { url, caCert } = elasticsearch.node
    const options = { hosts: [url], insecureSkipVerify: false, timeoutMs: 60_000, ...(caCert && { ca: caCert }) }
    const client = createElasticsearchClient({ ...options, username: 'retention-manager', password: 'secret-1' })
    const call = createCall({ monotonicNow: () => performance.now() })
    const hashing = createPasswordHashing('pbkdf2_1000', () => {})
    const keys = createKeyring([testKey])
    const directory = createUsers(() => client, call, hashing)
    const rules: LifecycleRules = {
      ...{ expirationMs: hour, rotationPauseMs: 1000, extend: false },
      ...{ adoptExisting: false, rekey: 'allow', changeIntervalMs: 5000 },
    }
    const shared = redis && (await shareThrough(redis, { keys, rules, now: () => Date.now() + aheadMs }))
    const retention = createRetention({
      directory,
      keys,
      preparePassword: createPasswordWriter({ keys, sendsHash: hashing.isOn }),
      states: shared?.states ?? noSharedStates,
      rules,
      retention: { disableAfterMs: 12 * hour, deleteAfterMs: 90 * day, invalidateApiKeys: true },
      invalidateApiKeys: createApiKeys(() => client, call).invalidateAll,
      now: () => Date.now() + aheadMs,
      forget: () => {},
      report: () => {},
    })
    const done: Record<string, string | undefined> = {}
    for (const username of usernames) {
      const stored = await directory.get(username)
      done[username] = stored && retention.dueFor(stored) && (await retention.apply(username))
    }
    await client.close()
    shared?.close()
    return done
  }

  /** Shares states as a replica does. */
  async function shareThrough({ port }: RedisServer, deps: Pick<SharedCacheOptions, 'keys' | 'rules' | 'now'>) {
    const connection = {
      servers: { kind: 'standalone', address: { host: '127.0.0.1', port } },
      ...{ db: 0, timeoutMs: 60_000 },
    } as const
    const redis = createRedis({ connection, onStateChange: () => {} })
    await redis.start()
    const timing = { monotonicNow: () => performance.now(), sleep: (milliseconds: number) => sleep(milliseconds) }
    return {
      states: createSharedCache({ ...deps, ...timing, store: redis.store, lockTtlMs: 30_000 }),
      close: redis.close,
    }
  }

  async function createKey(name: string): Promise<string> {
    const grant = { grant_type: 'password', username: name, password: await passwordOf(name) }
    const { body } = await admin('/_security/api_key/grant', 'POST', { ...grant, api_key: { name: `${name}-key` } })
    return `ApiKey ${body.encoded}`
  }

  async function passwordOf(name: string): Promise<string> {
    const { created, version, key_id } = (await read(name)).metadata.elastauth
    return createKeyring([testKey]).password(key_id, name, created, version)
  }

  const read = async (name: string) => (await admin(`/_security/user/${name}`)).body[name]

  test('an inactive user is disabled and loses the API keys, is enabled by a sign-in, and is deleted later, unless an administrator intervenes', async (context) => {
    const gateway = await startGatewayFor(elasticsearch.node, { env: { ELASTAUTH_SECRET_KEY: testKey } })
    context.after(() => gateway.stop())
    const { node } = elasticsearch
    const [away, disabled] = ['retention-away', 'retention-disabled']
    const { authorization } = await authorize(gateway, away)
    await authorize(gateway, disabled)
    await admin(`/_security/user/${disabled}/_disable`, 'PUT')
    await admin('/_security/user/retention-foreign', 'PUT', { password: 'set-by-an-admin', roles: ['viewer'] })
    const names = [away, disabled, 'retention-foreign', 'elastic']
    const apiKey = await createKey(away)
    assert.equal((await logIn(node, apiKey)).status, 200)
    const before = await Promise.all(names.slice(1).map(read))
    const { metadata, ...profile } = await read(away)

    const none = Object.fromEntries(names.map((name) => [name, undefined]))
    assert.deepEqual(await sweep(12 * hour, names), none, 'the password expires an hour after the sign-in')
    assert.deepEqual(await sweep(13 * hour, names), { ...none, [away]: 'disabled_idle' })
    const swept = await read(away)
    assert.deepEqual(swept, {
      ...{ ...profile, enabled: false },
      metadata: {
        ...metadata,
        elastauth: { ...metadata.elastauth, version: 2, disabled_idle: 2 },
      },
    })
    assert.deepEqual([(await logIn(node, authorization)).status, (await logIn(node, apiKey)).status], [401, 401])
    assert.deepEqual(await sweep(13 * hour, names), none)

    const restarted = await startGatewayFor(node, { env: { ELASTAUTH_SECRET_KEY: testKey } })
    context.after(() => restarted.stop())
    const back = await authorize(restarted, away)
    assert.equal((await logIn(node, back.authorization)).status, 200)
    assert.equal((await read(away)).metadata.elastauth.disabled_idle, undefined)
    const refused = await authorize(restarted, disabled)
    assert.equal(refused.status, 403)

    assert.deepEqual(await sweep(91 * day, names), { ...none, [away]: 'deleted' })
    assert.equal((await admin(`/_security/user/${away}`)).status, 404)
    assert.deepEqual(await Promise.all(names.slice(1).map(read)), before)
  })

  test('with Redis, a sweep ends the cached credentials of all replicas, whose next request enables or creates the user, unless an administrator has revoked the user', {
    skip: skipWithoutRedis(),
  }, async (context) => {
    const { node } = elasticsearch
    const redis = await startRedis()
    context.after(() => redis.stop())
    const ownRedis = { ...redisFlags, 'cache.redis_host': redis.address }
    // Without messages, a replica would return what it has cached for an hour.
    const flags = { ...ownRedis, 'cache.revalidate': '1h' }
    const start = () => startGatewayFor(node, { flags, env: { ELASTAUTH_SECRET_KEY: testKey } })
    const replicas = [await start(), await start()]
    context.after(() => Promise.all(replicas.map((replica) => replica.stop())))
    const everywhere = (name: string) => Promise.all(replicas.map((replica) => authorize(replica, name)))
    const [away, gone, revoked] = ['retention-redis-away', 'retention-redis-gone', 'retention-redis-revoked'] as const
    const names = [away, gone, revoked]
    const before = new Map<string, string>()
    for (const name of names) {
      const all = await everywhere(name)
      assert.equal(new Set(all.map(({ authorization }) => authorization)).size, 1)
      before.set(name, all[0]!.authorization!)
    }
    const assertAccepted = async (name: string) => {
      for (const { status, authorization } of await everywhere(name))
        assert.deepEqual([status, (await logIn(node, authorization!)).status], [200, 200])
    }

    const absent = [away, revoked]
    const disabled = { [away]: 'disabled_idle', [revoked]: 'disabled_idle' }
    assert.deepEqual(await sweep(13 * hour, absent, redis), disabled)
    for (const name of absent) {
      assert.equal((await logIn(node, before.get(name)!)).status, 401)
      assert.equal((await read(name)).enabled, false)
    }
    await eventually(
      () => everywhere(away),
      (all) => all.every(({ authorization }) => authorization !== before.get(away)), // the message may still be on its way
    )
    await assertAccepted(away)
    const enabled = await read(away)
    assert.deepEqual([enabled.enabled, enabled.metadata.elastauth.disabled_idle], [true, undefined])

    const commandFlags = {
      ...elasticsearchFlags,
      ...ownRedis,
      'elasticsearch.hosts': node.url,
      default_roles: 'viewer',
    }
    const { code, stdout, stderr } = await runElastauth(
      [
        ...['users', 'revoke', revoked, '--disable'],
        ...Object.entries(commandFlags).flatMap(([key, value]) => [`--${key}`, value]),
      ],
      {
        ...{ ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_ELASTICSEARCH_USERNAME: node.username },
        ELASTAUTH_ELASTICSEARCH_PASSWORD: node.password,
      },
    )
    assert.equal(code, 0, stdout + stderr)
    await eventually(
      () => everywhere(revoked),
      (all) => all.every(({ status }) => status === 403), // as above
    )
    assert.equal((await read(revoked)).enabled, false)

    assert.deepEqual(await sweep(91 * day, [gone], redis), { [gone]: 'deleted' })
    assert.equal((await admin(`/_security/user/${gone}`)).status, 404)
    // The message may still be on its way.
    await eventually(
      async () => {
        await everywhere(gone)
        return (await admin(`/_security/user/${gone}`)).status
      },
      (status) => status === 200,
    )
    await assertAccepted(gone)
  })
})
