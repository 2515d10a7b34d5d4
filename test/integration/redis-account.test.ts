import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { keyOf } from '../../src/sessions/session-id.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { passwords, signInWithForm, usersEnv } from '../support/sign-in-form.ts'
import { eventually } from '../support/wait.ts'

const sessionCookie = '__Host-elastauth-session'
const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
const sameOrigin = { 'sec-fetch-site': 'same-origin' }
const asAdmin = { authorization: `Basic ${btoa(`alice:${passwords.alice}`)}` }

type List = { sessions: { id: string; browser: string | null; last_used_at: string }[] }

describe('sessions that three replicas list and end, with a real Redis', { skip: skipWithoutRedis() }, async () => {
  const redis = await startRedis()
  after(() => redis.stop())
  const { startProxy } = await createOidcTestBed()
  const flags = {
    auth_providers: 'oidc,users',
    ...redisFlags,
    'cache.redis_host': redis.address,
    admin_roles: 'superuser',
  }
  const start = () => startProxy(flags, usersEnv)
  const replicas = await Promise.all([start(), start(), start()])
  const [first, second, third] = replicas as [(typeof replicas)[0], (typeof replicas)[0], (typeof replicas)[0]]

  /** Gives the session to all replicas, as a load balancer in front of them does. */
  function share(agent: UserAgent, from: string): UserAgent {
    const id = idOf(agent, from)
    assert.match(id, /^[\w-]{43}$/)
    for (const { url } of replicas) agent.setCookie(url, sessionCookie, id)
    return agent
  }
  const idOf = (agent: UserAgent, url = first.url) =>
    new RegExp(`${sessionCookie}=([\\w-]+)`).exec(agent.cookies(url))?.[1] ?? ''

  async function signInWithPassword(username: 'alice' | 'bob', { url }: { url: string }): Promise<UserAgent> {
    const agent = createUserAgent({ 'user-agent': firefox })
    await signInWithForm(url, username, { password: passwords[username], agent })
    return share(agent, url)
  }
  async function signInAtProvider(username: string, { url }: { url: string }): Promise<UserAgent> {
    const agent = createUserAgent()
    const begin = await agent.request(`${url}/elastauth/login?with=provider`)
    await agent.visit(begin.headers.get('location')!, username)
    return share(agent, url)
  }
  const isSignedInAt = (agent: UserAgent) =>
    Promise.all(replicas.map(async ({ url }) => (await agent.request(`${url}/app`)).status === 200))
  const assertEnded = (agent: UserAgent) =>
    eventually(
      () => isSignedInAt(agent),
      (all) => !all.includes(true),
    )
  const everywhere = [true, true, true]

  async function admin(method: 'GET' | 'DELETE', path: string, { url }: { url: string }) {
    const response = await fetch(`${url}/elastauth/admin/users/${path}`, { method, headers: asAdmin })
    return { status: response.status, body: (await response.json()) as List & { ended: number } }
  }

  test('a session that one replica has created is listed at another one, and ends at all of them when its user ends it there', async () => {
    const [agent, other] = [await signInWithPassword('bob', first), await signInAtProvider('bob', second)]
    for (const one of [agent, other]) assert.deepEqual(await isSignedInAt(one), everywhere)
    const page = await (await agent.request(`${third.url}/elastauth/account`)).text()
    assert.match(page, /Firefox on Linux<\/strong> <em>this session/)
    const id = keyOf(idOf(other))
    assert.ok(page.includes(`value="${id}"`))
    const body = new URLSearchParams({ end: id })
    assert.equal((await agent.request(`${third.url}/elastauth/account`, { body, headers: sameOrigin })).status, 303)
    await assertEnded(other)
    assert.deepEqual(await isSignedInAt(agent), everywhere)
    await admin('DELETE', 'bob/sessions', first)
  })

  test("an administrator at one replica ends all sessions of a user, which end at all replicas, and the administrator's own stay", async () => {
    const [alice, ...bob] = [
      await signInWithPassword('alice', second),
      await signInWithPassword('bob', first),
      await signInAtProvider('bob', third),
    ]
    for (const one of [alice, ...bob]) assert.deepEqual(await isSignedInAt(one), everywhere)
    const { body } = await admin('GET', 'bob/sessions', second)
    assert.deepEqual(new Set(body.sessions.map(({ id }) => id)), new Set(bob.map((one) => keyOf(idOf(one)))))
    assert.equal((await admin('DELETE', 'bob/sessions', third)).body.ended, 2)
    for (const one of bob) await assertEnded(one)
    assert.deepEqual(await isSignedInAt(alice), everywhere)
    await admin('DELETE', 'alice/sessions', first)
  })

  test('without Redis, sessions can be neither listed nor ended, and the response says so', async () => {
    const agent = await signInWithPassword('bob', first)
    assert.deepEqual(await isSignedInAt(agent), everywhere)
    // A replica of its own with a short timeout, so that calls of the others do not time out by chance.
    const { url } = await startProxy({ ...flags, 'cache.redis_timeout': '500ms' }, usersEnv)
    agent.setCookie(url, sessionCookie, idOf(agent))
    await eventually(
      async () => (await agent.request(`${url}/app`)).status,
      (status) => status === 200,
    )
    redis.pause()
    const responses = await Promise.all([
      agent.request(`${url}/elastauth/account`),
      fetch(`${url}/elastauth/admin/users/bob/sessions`, { headers: asAdmin }),
      fetch(`${url}/elastauth/admin/users/bob/sessions`, { method: 'DELETE', headers: asAdmin }),
    ])
    assert.deepEqual(
      responses.map(({ status }) => status),
      [503, 503, 503],
    )
    redis.resume()
    await eventually(
      () => admin('DELETE', 'bob/sessions', first),
      ({ status }) => status === 200,
    )
    await assertEnded(agent)
  })

  test('an index that Redis has lost is written again when another replica reads the session', async () => {
    const agent = await signInWithPassword('bob', first)
    await agent.request(`${first.url}/app`)
    for (const key of await redis.client.keys('elastauth:1:list:*')) await redis.client.del(key)
    assert.deepEqual((await admin('GET', 'bob/sessions', first)).body.sessions, [])
    await agent.request(`${second.url}/app`)
    const { body } = await eventually(
      () => admin('GET', 'bob/sessions', first),
      (found) => found.body.sessions.length === 1,
    )
    assert.equal(body.sessions[0]?.browser, 'Firefox on Linux')
    assert.equal((await admin('DELETE', 'bob/sessions', third)).body.ended, 1)
    await assertEnded(agent)
  })
})
