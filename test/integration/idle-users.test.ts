import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sweepIdleUsers } from '../../src/auth/credentials/idle-sweep.ts'
import { createKeyring } from '../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../src/auth/credentials/password-writer.ts'
import { noSweepLease } from '../../src/auth/credentials/sweep-lease.ts'
import { createCall } from '../../src/es/call.ts'
import { createElasticsearchClient } from '../../src/es/client.ts'
import { createPasswordHashing } from '../../src/es/password-hashing.ts'
import { createUsers } from '../../src/es/users.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, logIn, shortLivedKey, startGatewayFor } from '../support/gateway.ts'

// A separate node: with the sweep's clock ahead, every user of the shared node would be idle.
const elasticsearch = await useElasticsearch({ own: true })
const [expirationMs, pauseMs] = [2000, 300]

describe('the sweep of idle users against a real node', { skip: elasticsearch.skip }, () => {
  /**
   * One pass of a sweep whose clock is ahead, and stands still: on a slow machine, passwords issued during the pass would otherwise
   * become idle.
   */
  async function sweepOnce(aheadMs: number): Promise<string[]> {
    const { url, username, password } = elasticsearch.node
    const options = { hosts: [url], username, password, insecureSkipVerify: false, timeoutMs: 60_000 }
    const client = createElasticsearchClient(options)
    const hashing = createPasswordHashing('pbkdf2_1000', () => {})
    const keys = createKeyring([shortLivedKey])
    const ended: string[] = []
    const stopped = new AbortController()
    const time = Date.now() + aheadMs
    await sweepIdleUsers(
      {
        directory: createUsers(() => client, createCall({ monotonicNow: () => performance.now() }), hashing),
        keys,
        preparePassword: createPasswordWriter({ keys, sendsHash: hashing.isOn }),
        rules: {
          expirationMs,
          rotationPauseMs: pauseMs,
          extend: false,
          adoptExisting: false,
          rekey: 'allow',
          changeIntervalMs: 5000,
        },
        lease: {
          acquire: async () => ({ ...(await noSweepLease.acquire())!, release: async () => stopped.abort() }),
        },
        now: () => time,
        sleep: async () => {},
        random: () => 0,
        report: (event) => {
          if (event.kind === 'sweep_failed') throw event.error
          ended.push(event.username)
        },
      },
      stopped.signal,
    )
    await client.close()
    return ended
  }

  const start = () =>
    startGatewayFor(elasticsearch.node, {
      flags: { 'cache.expiration': `${expirationMs}ms`, 'cache.rotation_pause': `${pauseMs}ms` },
      env: { ELASTAUTH_SECRET_KEY: shortLivedKey },
    })

  test('the sweep replaces a derived password and a password that the user set, and keeps enabled, roles and metadata', async (context) => {
    const { node } = elasticsearch
    const gateway = await start()
    context.after(() => gateway.stop())
    const { authorization } = await authorize(gateway, 'idle-one')
    const owner = await authorize(gateway, 'idle-owner')
    const changed = await callElasticsearch(node, '/_security/user/_password', {
      method: 'POST',
      as: null,
      headers: { authorization: owner.authorization! },
      body: { password: 'set-by-the-user' },
    })
    assert.equal(changed.status, 200)
    await authorize(gateway, 'idle-disabled')
    await callElasticsearch(node, '/_security/user/idle-disabled/_disable', { method: 'PUT' })
    await callElasticsearch(node, '/_security/user/by-hand', {
      method: 'PUT',
      body: { password: 'set-by-an-admin', roles: ['viewer'] },
    })
    const read = async () => (await callElasticsearch(node, '/_security/user')).body
    const before = await read()

    assert.deepEqual(
      (await sweepOnce(0)).filter((name) => name.startsWith('idle-')),
      [],
      'no user is idle yet',
    )
    assert.equal((await logIn(node, authorization)).status, 200)
    assert.deepEqual(
      (await sweepOnce(10 * 60_000)).filter((name) => name.startsWith('idle-')),
      ['idle-disabled', 'idle-one', 'idle-owner'],
    )
    assert.deepEqual(await read(), before)
    assert.equal((await logIn(node, authorization)).status, 401)
    assert.equal((await logIn(node, `Basic ${btoa('idle-owner:set-by-the-user')}`)).status, 401)
    assert.equal((await logIn(node, `Basic ${btoa('by-hand:set-by-an-admin')}`)).status, 200)

    await sleep(expirationMs + pauseMs)
    for (const name of ['idle-one', 'idle-owner']) {
      assert.equal((await logIn(node, (await authorize(gateway, name)).authorization)).status, 200)
    }
  })

  test('users who sign in during a sweep get credentials that Elasticsearch accepts', async (context) => {
    const { node } = elasticsearch
    const gateway = await start()
    context.after(() => gateway.stop())
    const names = Array.from({ length: 20 }, (_, index) => `racing-${index}`)
    for (const name of names) await authorize(gateway, name)
    await sleep(expirationMs + pauseMs)
    const logins = names.map(async (name, index) => {
      await sleep(index * 15)
      const { authorization } = await authorize(gateway, name)
      const first = await logIn(node, authorization)
      await sleep(200)
      return [first.status, (await logIn(node, authorization)).status]
    })
    // With its clock ahead, the sweep coincides with the logins.
    const [ended] = await Promise.all([sweepOnce(60_000 + pauseMs), ...logins])
    for (const statuses of await Promise.all(logins)) assert.deepEqual(statuses, [200, 200])
    context.diagnostic(`${ended.length} of them were swept`)
  })
})
