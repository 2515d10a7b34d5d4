import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createGate } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutRedis()

describe('the sessions of three replicas with a real Redis', { skip }, async () => {
  if (skip) return
  const redis = await startRedis()
  after(() => redis.stop())
  const testBed = await createOidcTestBed({ lifetimes: { accessToken: 3600 } })
  const flags = { ...redisFlags, 'cache.redis_host': redis.address, log_level: 'debug' }
  const gateways = [await testBed.startProxy(flags), await testBed.startProxy(flags), await testBed.startProxy(flags)]
  const urls = gateways.map(({ url }) => url)

  /** Signs a user in at the first replica. `send` sends a request in that session to any replica. */
  async function signIn(username = 'alice') {
    const agent = createUserAgent()
    await agent.visit(`${urls[0]}/app`, username)
    const cookie = agent.cookies(urls[0]!)
    assert.match(cookie, /^__Host-elastauth-session=/)
    const send = async (replica: number, headers: Record<string, string> = {}) => {
      const response = await createUserAgent().request(`${urls[replica]}/app`, { headers: { cookie, ...headers } })
      return { status: response.status, body: await response.text() }
    }
    return { agent, cookie, send }
  }
  const statusesOfAll = async (send: (replica: number) => Promise<{ status: number }>) =>
    (await Promise.all([0, 1, 2].map(send))).map(({ status }) => status)
  const refreshes = () => testBed.idp.grants.filter(({ type }) => type === 'refresh_token')

  /** Runs `work` with tokens of this lifetime: they are refreshed after four fifths of it. */
  async function withTokenLifetime<T>(seconds: number, work: () => Promise<T>): Promise<T> {
    const { accessToken } = testBed.idp.lifetimes
    testBed.idp.lifetimes.accessToken = seconds
    return work().finally(() => {
      testBed.idp.lifetimes.accessToken = accessToken
    })
  }

  test('a session is valid on every replica after a sign-in at one replica, and ends on every replica after a logout', async () => {
    const { agent, send } = await signIn()
    assert.deepEqual(await statusesOfAll(send), [200, 200, 200])
    await agent.request(`${urls[0]}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    await eventually(
      () => statusesOfAll(send),
      (statuses) => statuses.every((status) => status === 302),
    )
  })

  test('Redis stores sessions without session ids, usernames or tokens in plain text', async () => {
    const { cookie } = await signIn()
    const id = cookie.split('=')[1]!
    const stored: string[] = []
    for (const key of await redis.client.keys('*')) {
      stored.push(key)
      const type = await redis.client.type(key)
      if (type === 'hash') stored.push(JSON.stringify(await redis.client.hgetall(key)))
      if (type === 'zset') stored.push(...(await redis.client.zrange(key, '0', '-1')))
      assert.ok((await redis.client.pttl(key)) > 0, `${key} does not expire`)
    }
    assert.ok(stored.some((text) => text.startsWith('elastauth:1:session:')))
    const sessions = stored.filter((text) => /session|list/.test(text)).join('\n')
    // Each marker is long or has quotes: short ones such as "eyJ" occur in random base64 by chance.
    assert.ok((await testBed.idp.sign()).startsWith('eyJhbGciOi'))
    for (const secret of [id, '"alice"', 'alice@', 'eyJhbGciOi']) assert.ok(!sessions.includes(secret), secret)
  })

  test('replicas redeem each refresh token once and keep the session under concurrent requests while tokens expire', async () => {
    await withTokenLifetime(2, async () => {
      const { agent, send } = await signIn()
      const before = refreshes().length
      while (refreshes().length - before < 4) {
        const statuses = (await Promise.all(Array.from({ length: 12 }, (_, i) => send(i % 3)))).map(
          ({ status }) => status,
        )
        assert.deepEqual([...new Set(statuses)], [200])
      }
      const results = refreshes().slice(before)
      assert.deepEqual(
        results.filter(({ error }) => error !== undefined),
        [],
      )
      // A replica that was held up would refresh the session during the next test, which counts the calls.
      const logout = await agent.request(`${urls[0]}/elastauth/logout`, {
        headers: { 'sec-fetch-site': 'same-origin' },
      })
      assert.ok(logout.status < 400, `${logout.status}`)
    })
  })

  test('a slow response of the provider to one replica causes no calls by the other replicas', async () => {
    await withTokenLifetime(2, async () => {
      const { send } = await signIn()
      const gate = createGate()
      const restore = testBed.idp.intercept('token', gate.gate)
      const before = testBed.idp.calls('token')
      const slow = send(0)
      await new Promise((wake) => setTimeout(wake, 2100))
      const concurrent = [send(0), send(1), send(2)]
      await eventually(
        async () => testBed.idp.calls('token') - before,
        (calls) => calls > 0,
      )
      await new Promise((wake) => setTimeout(wake, 1000))
      assert.equal(testBed.idp.calls('token') - before, 1)
      gate.open()
      restore()
      for (const { status } of await Promise.all([slow, ...concurrent])) assert.equal(status, 200)
      assert.deepEqual(await statusesOfAll(send), [200, 200, 200])
    })
  })

  test('a changed group at the provider takes effect on every replica after the next refresh', async () => {
    const groupsAt = async (replica: number, cookie: string) => {
      const headers = { cookie, accept: 'application/json' }
      const response = await createUserAgent().request(`${urls[replica]}/elastauth/whoami`, { headers })
      return ((await response.json()) as { groups: string[] }).groups
    }
    await withTokenLifetime(2, async () => {
      const { cookie } = await signIn('bob')
      for (const replica of [0, 1, 2]) assert.deepEqual(await groupsAt(replica, cookie), ['staff'])
      const { accounts } = testBed.idp
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

  test('a back-channel logout at one replica ends the session on every replica, and its replay at another replica is rejected', async () => {
    const { send } = await signIn('bob')
    assert.deepEqual(await statusesOfAll(send), [200, 200, 200])
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const token = await testBed.idp.sign({ sub: 'bob', jti: 'once', events }, { typ: 'logout+jwt' })
    const sendLogout = (replica: number) => {
      const body = new URLSearchParams({ logout_token: token })
      return fetch(`${urls[replica]}/elastauth/backchannel-logout`, { method: 'POST', body })
    }
    assert.equal((await sendLogout(1)).status, 200)
    assert.equal((await sendLogout(2)).status, 400) // a replay of the token at another replica
    await eventually(
      () => statusesOfAll(send),
      (statuses) => statuses.every((status) => status === 302),
    )
  })

  test('replay: a logout token with an unbounded exp ends the session, and is rejected when it is used again', async () => {
    const { send } = await signIn('bob')
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    for (const exp of [1e300, Number.MAX_SAFE_INTEGER]) {
      await signIn('bob')
      const token = await testBed.idp.sign(
        { sub: 'bob', jti: `without end ${exp}`, events, exp },
        { typ: 'logout+jwt' },
      )
      const body = new URLSearchParams({ logout_token: token })
      const sendLogout = () => fetch(`${urls[1]}/elastauth/backchannel-logout`, { method: 'POST', body })
      assert.deepEqual([(await sendLogout()).status, (await sendLogout()).status], [200, 400])
    }
    await eventually(
      () => statusesOfAll(send),
      (statuses) => statuses.every((status) => status === 302),
    )
  })

  test('cached sessions are served while Redis is down, and other sessions and sign-ins get 503 until Redis is back', async () => {
    const { send } = await signIn()
    assert.equal((await send(0)).status, 200)
    const readiness = async () => {
      const response = await fetch(`${urls[0]}/elastauth/ready`)
      const { components } = (await response.json()) as { components: { redis: string } }
      return [response.status, components.redis]
    }
    await eventually(readiness, ([status, state]) => status === 200 && state === 'up')
    await redis.kill()
    await eventually(readiness, ([status, state]) => status === 503 && state === 'down')
    const visitor = createUserAgent()
    for (let i = 0; i < 5; i++) assert.equal((await send(0)).status, 200)
    const unknown = await send(1)
    assert.equal(unknown.status, 503)
    assert.match(unknown.body, /Sessions are not available/)
    const { response, body } = await visitor.visit(`${urls[2]}/app`, 'alice')
    assert.equal(response.status, 503)
    assert.match(body, /Sessions are not available/)
    await redis.start()
    // Redis has lost its data, so users sign in again as soon as each replica has reconnected.
    for (const url of urls) {
      await eventually(
        async () => (await createUserAgent().visit(`${url}/app`, 'alice')).response.status,
        (status) => status === 200,
      )
    }
  })

  test('cached sessions are served while Redis hangs', async () => {
    const { send } = await signIn()
    assert.equal((await send(0)).status, 200)
    redis.pause()
    for (let i = 0; i < 20; i++) assert.equal((await send(0)).status, 200)
    redis.resume()
  })

  test('the logs contain no session ids, states, codes or tokens', () => {
    const text = gateways.map(({ output }) => output()).join('\n')
    assert.match(text, /elastauth\/callback/)
    assert.doesNotMatch(text, /__Host-|code=|state=|eyJ[\w-]+\.eyJ/)
  })
})

describe('a replica with a new secret key', { skip }, () => {
  test('a replica with a new secret key accepts sessions of the previous key only while previous_secret_keys lists the previous key', async () => {
    const testBed = await createOidcTestBed()
    const redis = await startRedis()
    after(() => redis.stop())
    const flags = { ...redisFlags, 'cache.redis_host': redis.address }
    const [previous, current] = ['a', 'b'].map((digit) => `0${digit}`.repeat(32)) as [string, string]
    const one = await testBed.startProxy(flags, { ELASTAUTH_SECRET_KEY: previous })
    const agent: UserAgent = createUserAgent()
    await agent.visit(`${one.url}/app`, 'alice')
    const headers = { cookie: agent.cookies(one.url) }
    const statusAt = async (url: string) => (await createUserAgent().request(`${url}/app`, { headers })).status
    const rotated = await testBed.startProxy(flags, {
      ELASTAUTH_SECRET_KEY: current,
      ELASTAUTH_PREVIOUS_SECRET_KEYS: previous,
    })
    assert.equal(await statusAt(rotated.url), 200)
    const withoutPrevious = await testBed.startProxy(flags, { ELASTAUTH_SECRET_KEY: current })
    assert.equal(await statusAt(withoutPrevious.url), 302)
    assert.equal(await statusAt(one.url), 200)
  })
})
