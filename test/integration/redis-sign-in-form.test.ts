import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { Gateway } from '../support/gateway.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { createFormTestBed, openForm, passwords, signInWithForm, submitForm, users } from '../support/sign-in-form.ts'
import { eventually } from '../support/wait.ts'

const sessionCookie = '__Host-elastauth-session'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

describe('the sign-in form at three replicas with a real Redis', { skip: skipWithoutRedis() }, async () => {
  const file = join(directory, 'users.yml')
  writeUsers(users)
  const redis = await startRedis()
  after(() => redis.stop())
  const { startProxy } = await createFormTestBed()
  const flags = {
    ...redisFlags,
    'cache.redis_host': redis.address,
    'users.path': file,
  }
  const start = () => startProxy({ flags, env: { ELASTAUTH_USERS_INLINE: '{}' } })
  const replicas = await Promise.all([start(), start(), start()])

  function writeUsers(next: object): void {
    writeFileSync(`${file}.new`, JSON.stringify({ users: next }), { mode: 0o600 }) // JSON is YAML
    renameSync(`${file}.new`, file)
  }

  /** Replaces the users. Resolves when every replica has noticed. */
  async function changeUsers(next: object): Promise<void> {
    const seen = replicas.map(({ log }) => log.length)
    writeUsers(next)
    const isNew = (replica: number) => (line: Gateway['log'][number]) =>
      line['event.action'] === 'users_changed' && replicas[replica]!.log.indexOf(line) >= seen[replica]!
    await Promise.all(replicas.map(({ logged }, i) => logged(isNew(i))))
  }

  /** Signs in at one replica, and gives the session to all, as a load balancer in front of them does. */
  async function signIn(username: 'alice' | 'bob', replica: number): Promise<UserAgent> {
    const { url } = replicas[replica]!
    const { agent, response } = await signInWithForm(url, username, { password: passwords[username] })
    assert.equal(response.status, 303)
    const session = agent.cookies(url).replace(`${sessionCookie}=`, '')
    for (const other of replicas) agent.setCookie(other.url, sessionCookie, session)
    return agent
  }

  /** The username that the app sees at each replica; `Sign in` for a redirect to the form. */
  const seenAt = (agent: UserAgent) =>
    Promise.all(
      replicas.map(async ({ url }) => {
        const response = await agent.request(`${url}/app`)
        if (response.status === 302) return 'Sign in'
        return /Hello (\w+)/.exec(await response.text())?.[1]
      }),
    )

  test('a session of the first replica is valid at the second and the third, and a sign-out at the third ends it at all of them', async () => {
    const agent = await signIn('alice', 0)
    assert.deepEqual(await seenAt(agent), ['alice', 'alice', 'alice'])
    const stolen = agent.cookies(replicas[2]!.url)
    const response = await agent.request(`${replicas[2]!.url}/elastauth/logout`, {
      headers: { 'sec-fetch-site': 'same-origin' },
    })
    assert.match(await response.text(), /You are signed out/)
    const thief = createUserAgent({ cookie: stolen })
    await eventually(
      () => seenAt(thief),
      (all) => all.every((seen) => seen === 'Sign in'),
    )
  })

  test('a form that one replica has shown can be submitted at another one, once', async () => {
    const [first, second] = replicas
    const agent = createUserAgent()
    const fields = await openForm(agent, first.url)
    fields.set('username', 'alice')
    fields.set('password', passwords.alice)
    const cookie = agent.cookies(first.url)
    const submit = () => submitForm(createUserAgent(), second.url, fields, { cookie })
    const hasSession = (response: Response) =>
      response.headers.getSetCookie().some((line) => line.startsWith(`${sessionCookie}=`))
    assert.deepEqual([await submit(), await submit()].map(hasSession), [true, false])
  })

  test('five wrong passwords in the form of one replica block the user at the form of another one', async () => {
    for (let i = 0; i < 5; i++) await signInWithForm(replicas[0]!.url, 'carol', { password: `wrong ${i}` })
    const { response } = await signInWithForm(replicas[1]!.url, 'carol', { password: passwords.carol })
    assert.equal(response.status, 429)
    assert.match(response.headers.get('retry-after')!, /^[1-9]\d*$/)
  })

  test('a user who is removed from the file is signed out at all replicas, and stays so when the user is added again', async () => {
    const [alice, bob] = [await signIn('alice', 1), await signIn('bob', 2)]
    assert.deepEqual(await seenAt(bob), ['bob', 'bob', 'bob'])
    assert.deepEqual(await seenAt(alice), ['alice', 'alice', 'alice'])
    await changeUsers({ bob: users.bob })
    assert.deepEqual(await seenAt(alice), ['Sign in', 'Sign in', 'Sign in'])
    assert.deepEqual(await seenAt(bob), ['bob', 'bob', 'bob'])
    await changeUsers(users)
    assert.deepEqual(await seenAt(alice), ['Sign in', 'Sign in', 'Sign in'])
  })

  test('Redis contains no username, password, hash or session id in plain text', async () => {
    const agent = await signIn('alice', 0)
    const id = agent.cookies(replicas[0]!.url).replace(`${sessionCookie}=`, '')
    const keys = await redis.client.keys('*')
    const dumps = await Promise.all(keys.map((key) => redis.client.dumpBuffer(key)))
    const all = [...keys, ...dumps.map((dump) => dump?.toString('latin1'))].join('\n')
    assert.ok(keys.some((key) => key.includes('session')))
    for (const secret of ['alice', passwords.alice, users.alice.password_hash, id]) assert.ok(!all.includes(secret))
  })
})
