import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createGate } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutRedis()

describe('sessions of three replicas with a real Redis', { skip }, async () => {
  if (skip) return
  const redis = await startRedis()
  after(() => redis.stop())
  const world = await createOidcTestBed({ lifetimes: { accessToken: 3600 } })
  const flags = { 'cache.type': 'redis', 'cache.redis_host': redis.address, log_level: 'debug' }
  const gateways = [await world.startProxy(flags), await world.startProxy(flags), await world.startProxy(flags)]
  const urls = gateways.map(({ url }) => url)

  /** Somebody who logged in at the first replica, and can ask them all. */
  async function signIn(username = 'alice') {
    const agent = createUserAgent()
    await agent.visit(`${urls[0]}/app`, username)
    const cookie = agent.cookies(urls[0]!)
    assert.match(cookie, /^__Host-elastauth-session=/)
    const ask = async (replica: number, headers: Record<string, string> = {}) => {
      const response = await createUserAgent().request(`${urls[replica]}/app`, { headers: { cookie, ...headers } })
      return { status: response.status, body: await response.text() }
    }
    return { agent, cookie, ask }
  }
  const everywhere = async (ask: (replica: number) => Promise<{ status: number }>) =>
    (await Promise.all([0, 1, 2].map(ask))).map(({ status }) => status)
  const refreshes = () => world.idp.grants.filter(({ type }) => type === 'refresh_token')

  /** With tokens that live so long, in seconds: a fifth of it before their end they are refreshed. */
  async function withLife<T>(seconds: number, work: () => Promise<T>): Promise<T> {
    const { accessToken } = world.idp.lifetimes
    world.idp.lifetimes.accessToken = seconds
    return work().finally(() => {
      world.idp.lifetimes.accessToken = accessToken
    })
  }

  test('who has logged in at one is in at all, and out of all', async () => {
    const { agent, ask } = await signIn()
    assert.deepEqual(await everywhere(ask), [200, 200, 200])
    await agent.request(`${urls[0]}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    await eventually(
      () => everywhere(ask),
      (statuses) => statuses.every((status) => status === 302),
    )
  })

  test('Redis holds neither ids nor names nor tokens', async () => {
    const { cookie } = await signIn()
    const id = cookie.split('=')[1]!
    const held: string[] = []
    for (const key of await redis.client.keys('*')) {
      held.push(key)
      const type = await redis.client.type(key)
      if (type === 'hash') held.push(JSON.stringify(await redis.client.hgetall(key)))
      if (type === 'zset') held.push(...(await redis.client.zrange(key, '0', '-1')))
      assert.ok((await redis.client.pttl(key)) > 0, `${key} has no end`)
    }
    assert.ok(held.some((text) => text.startsWith('elastauth:1:session:')))
    const sessions = held.filter((text) => /session|list/.test(text)).join('\n')
    // Each marker is long or has quotes: three letters such as "eyJ" occur in random base64.
    assert.ok((await world.idp.sign()).startsWith('eyJhbGciOi'))
    for (const secret of [id, '"alice"', 'alice@', 'eyJhbGciOi']) assert.ok(!sessions.includes(secret), secret)
  })

  test('many requests at the token’s end, on all replicas: each refresh token is used once, and nobody is thrown out', async () => {
    await withLife(2, async () => {
      const { ask } = await signIn()
      const before = refreshes().length
      while (refreshes().length - before < 4) {
        const statuses = (await Promise.all(Array.from({ length: 12 }, (_, i) => ask(i % 3)))).map(
          ({ status }) => status,
        )
        assert.deepEqual([...new Set(statuses)], [200])
      }
      const made = refreshes().slice(before)
      assert.deepEqual(
        made.filter(({ error }) => error !== undefined),
        [],
      )
    })
  })

  test('a provider that is slow to answer one replica is not asked by the others', async () => {
    await withLife(2, async () => {
      const { ask } = await signIn()
      const gate = createGate()
      const undo = world.idp.intercept('token', gate.gate)
      const before = world.idp.calls('token')
      const slow = ask(0)
      await new Promise((wake) => setTimeout(wake, 2100))
      const asked = [ask(0), ask(1), ask(2)]
      await eventually(
        async () => world.idp.calls('token') - before,
        (calls) => calls > 0,
      )
      await new Promise((wake) => setTimeout(wake, 1000))
      assert.equal(world.idp.calls('token') - before, 1)
      gate.open()
      undo()
      for (const { status } of await Promise.all([slow, ...asked])) assert.equal(status, 200)
      assert.deepEqual(await everywhere(ask), [200, 200, 200])
    })
  })

  test('a group that is taken away at the provider, and another given, count with the next refresh, on every replica', async () => {
    const groupsAt = async (replica: number, cookie: string) => {
      const response = await createUserAgent().request(`${urls[replica]}/elastauth/whoami`, { headers: { cookie } })
      return ((await response.json()) as { groups: string[] }).groups
    }
    await withLife(2, async () => {
      const { cookie } = await signIn('bob')
      for (const replica of [0, 1, 2]) assert.deepEqual(await groupsAt(replica, cookie), ['staff'])
      const { accounts } = world.idp
      const bob = accounts.get('bob')!
      accounts.set('bob', { ...bob, groups: ['admins'] })
      for (const replica of [0, 1, 2]) {
        await eventually(
          () => groupsAt(replica, cookie),
          (groups) => groups[0] === 'admins',
        )
      }
      accounts.set('bob', bob)
    })
  })

  test('the provider ends a session at one replica: it is over at all', async () => {
    const { ask } = await signIn('bob')
    assert.deepEqual(await everywhere(ask), [200, 200, 200])
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const token = await world.idp.sign({ sub: 'bob', jti: 'once', events }, { typ: 'logout+jwt' })
    const send = (replica: number) => {
      const body = new URLSearchParams({ logout_token: token })
      return fetch(`${urls[replica]}/elastauth/backchannel-logout`, { method: 'POST', body })
    }
    assert.equal((await send(1)).status, 200)
    assert.equal((await send(2)).status, 400) // the same token again, elsewhere
    await eventually(
      () => everywhere(ask),
      (statuses) => statuses.every((status) => status === 302),
    )
  })

  test('a logout token with an unbounded exp ends the session, and is remembered as used', async () => {
    const { ask } = await signIn('bob')
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    for (const exp of [1e300, Number.MAX_SAFE_INTEGER]) {
      await signIn('bob')
      const token = await world.idp.sign({ sub: 'bob', jti: `without end ${exp}`, events, exp }, { typ: 'logout+jwt' })
      const body = new URLSearchParams({ logout_token: token })
      const send = () => fetch(`${urls[1]}/elastauth/backchannel-logout`, { method: 'POST', body })
      assert.deepEqual([(await send()).status, (await send()).status], [200, 400])
    }
    await eventually(
      () => everywhere(ask),
      (statuses) => statuses.every((status) => status === 302),
    )
  })

  test('Redis is gone: who is known stays in, others hear 503, and all is well when it is back', async () => {
    const { ask } = await signIn()
    assert.equal((await ask(0)).status, 200)
    await redis.kill()
    const visitor = createUserAgent()
    for (let i = 0; i < 5; i++) assert.equal((await ask(0)).status, 200)
    const unknown = await ask(1)
    assert.equal(unknown.status, 503)
    assert.match(unknown.body, /Sessions are not available/)
    const { response, body } = await visitor.visit(`${urls[2]}/app`, 'alice')
    assert.equal(response.status, 503)
    assert.match(body, /Sessions are not available/)
    await redis.start()
    // It holds nothing any more, so people log in again: as soon as each replica has looked.
    for (const url of urls) {
      await eventually(
        async () => (await createUserAgent().visit(`${url}/app`, 'alice')).response.status,
        (status) => status === 200,
      )
    }
  })

  test('Redis hangs: who is known waits for nothing', async () => {
    const { ask } = await signIn()
    assert.equal((await ask(0)).status, 200)
    redis.pause()
    for (let i = 0; i < 20; i++) assert.equal((await ask(0)).status, 200)
    redis.resume()
  })

  test('no log holds a session’s id, a state, a code or a token', () => {
    const text = gateways.map(({ output }) => output()).join('\n')
    assert.match(text, /elastauth\/callback/)
    assert.doesNotMatch(text, /__Host-|code=|state=|eyJ[\w-]+\.eyJ/)
  })
})

describe('a new secret key', { skip }, () => {
  test('opens the sessions of the former one while that is listed', async () => {
    const world = await createOidcTestBed()
    const redis = await startRedis()
    after(() => redis.stop())
    const flags = { 'cache.type': 'redis', 'cache.redis_host': redis.address }
    const [former, present] = ['a', 'b'].map((digit) => `0${digit}`.repeat(32)) as [string, string]
    const one = await world.startProxy(flags, { ELASTAUTH_SECRET_KEY: former })
    const agent: UserAgent = createUserAgent()
    await agent.visit(`${one.url}/app`, 'alice')
    const headers = { cookie: agent.cookies(one.url) }
    const statusAt = async (url: string) => (await createUserAgent().request(`${url}/app`, { headers })).status
    const rotated = await world.startProxy(flags, {
      ELASTAUTH_SECRET_KEY: present,
      ELASTAUTH_PREVIOUS_SECRET_KEYS: former,
    })
    assert.equal(await statusAt(rotated.url), 200)
    const stranger = await world.startProxy(flags, { ELASTAUTH_SECRET_KEY: present })
    assert.equal(await statusAt(stranger.url), 302)
    assert.equal(await statusAt(one.url), 200)
  })
})
