import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createKeyring } from '../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../src/auth/credentials/password-writer.ts'
import { createRetention } from '../../src/auth/credentials/retention/retention.ts'
import { noSharedStates } from '../../src/auth/credentials/shared-states.ts'
import { createApiKeys } from '../../src/es/api-keys.ts'
import { createCall } from '../../src/es/call.ts'
import { createElasticsearchClient } from '../../src/es/client.ts'
import { createPasswordHashing } from '../../src/es/password-hashing.ts'
import { createUsers } from '../../src/es/users.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, logIn, startGatewayFor, testKey } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
const [hour, day] = [60 * 60_000, 24 * 60 * 60_000]

describe('user_retention against a real node', { skip: elasticsearch.skip }, () => {
  const admin = (path: string, method = 'GET', body?: unknown) =>
    callElasticsearch(elasticsearch.node, path, { method, ...(body !== undefined && { body }) })

  /** Applies what is due for these users to a sweep whose clock is ahead, with an account that has only `manage_security`. */
  async function sweep(aheadMs: number, usernames: readonly string[]) {
    await admin('/_security/role/retention-manager', 'PUT', { cluster: ['manage_security'] })
    await admin('/_security/user/retention-manager', 'PUT', { password: 'secret-1', roles: ['retention-manager'] })
    const { url, caCert } = elasticsearch.node
    const options = { hosts: [url], insecureSkipVerify: false, timeoutMs: 10_000, ...(caCert && { ca: caCert }) }
    const client = createElasticsearchClient({ ...options, username: 'retention-manager', password: 'secret-1' })
    const call = createCall({ monotonicNow: () => performance.now() })
    const hashing = createPasswordHashing('pbkdf2_1000', () => {})
    const keys = createKeyring([testKey])
    const directory = createUsers(() => client, call, hashing)
    const retention = createRetention({
      directory,
      keys,
      preparePassword: createPasswordWriter({ keys, sendsHash: hashing.isOn }),
      states: noSharedStates,
      rules: {
        ...{ expirationMs: hour, rotationPauseMs: 1000, extend: false },
        ...{ adoptExisting: false, rekey: 'allow', changeIntervalMs: 5000 },
      },
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
    return done
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
})
