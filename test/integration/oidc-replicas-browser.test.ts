import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { type BrowserKit, signInAs, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { createGate } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutChromium() || skipWithoutRedis()

/** Cookies ignore ports, so the browser sends the session to all three replicas, as behind a load balancer. */
describe('a session on three replicas, in Chromium', { skip }, async () => {
  const redis = await startRedis()
  after(() => redis.stop())
  const { idp, startProxy } = await createOidcTestBed({ lifetimes: { accessToken: 3 } })
  const flags = { ...redisFlags, 'cache.redis_host': redis.address }
  const urls = await Promise.all([1, 2, 3].map(async () => (await startProxy(flags)).url))
  let kit: BrowserKit
  let pages: Page[]

  before(async () => {
    kit = await startBrowser()
    const context = await kit.open()
    pages = await Promise.all(urls.map(() => context.newPage()))
  })
  after(() => kit?.stop())

  const refreshes = () => idp.grants.filter(({ type }) => type === 'refresh_token')
  const groups = (page: Page) =>
    page.evaluate(`fetch('/elastauth/whoami').then((r) => r.json()).then((me) => me.groups)`) as Promise<string[]>
  const headings = () =>
    Promise.all(
      pages.map(async (page, i) => {
        await page.goto(`${urls[i]}/app/home`)
        return page.getByRole('heading', { level: 1 }).innerText()
      }),
    )

  test('a session is valid on every replica after a sign-in at one replica', async () => {
    await pages[0]!.goto(`${urls[0]}/app/home`)
    await signInAs(pages[0]!, 'bob')
    assert.deepEqual(await headings(), ['Hello bob', 'Hello bob', 'Hello bob'])
    assert.equal(idp.calls('authorization'), 1)
  })

  test('one replica refreshes an expired token under concurrent requests to all replicas', async () => {
    const { gate, open, arrived, firstArrival } = createGate()
    const restore = idp.intercept('token', gate)
    const groupsOfAll = () => Promise.all(pages.map(groups))
    // If the token has already expired, the requests wait for the refresh, which the gate holds.
    await eventually(
      () => Promise.race([groupsOfAll(), firstArrival]),
      () => arrived.length > 0,
    )
    for (let round = 0; round < 10; round++) void groupsOfAll().catch(() => {})
    idp.accounts.set('bob', { ...idp.accounts.get('bob'), groups: ['staff', 'night shift'] })
    open()
    await eventually(groupsOfAll, (all) => all.every((replica) => replica.includes('night shift')))
    assert.ok(refreshes().length >= 1)
    restore()
  })

  test('replicas refresh a session repeatedly and use each refresh token once', async () => {
    const before = refreshes().length
    await eventually(
      () => Promise.all(pages.map(groups)),
      () => refreshes().length >= before + 3,
    )
    assert.deepEqual(
      refreshes().filter(({ error }) => error !== undefined),
      [],
    )
    // The next refresh may be in progress.
    await eventually(
      async () => idp.calls('token') - refreshes().length,
      (others) => others === 1,
    )
    assert.deepEqual(await headings(), ['Hello bob', 'Hello bob', 'Hello bob'])
    assert.equal(idp.calls('authorization'), 1)
  })

  test('a back-channel logout at one replica ends the session on every replica', async () => {
    const [page] = pages
    await page!.goto(`${idp.issuer}/session/end`)
    await page!.getByRole('button', { name: 'Yes, sign me out' }).click()
    await page!.getByRole('heading', { name: 'Signed out at the provider' }).waitFor()
    await eventually(headings, (texts) => texts.every((text) => text === 'Sign in'))
  })

  test('Redis stores a session without its id, personal data or tokens in plain text', async () => {
    await pages[0]!.goto(`${urls[0]}/app/home`)
    await signInAs(pages[0]!, 'bob')
    const cookies = await pages[0]!.context().cookies(urls[0])
    const id = cookies.find(({ name }) => name === '__Host-elastauth-session')!.value
    const keys = await redis.client.keys('*')
    const dumps = await Promise.all(keys.map((key) => redis.client.dumpBuffer(key)))
    const all = [...keys, ...dumps.map((dump) => dump?.toString('latin1'))].join('\n')
    assert.notEqual(keys.length, 0)
    for (const secret of [id, 'bob@example.com', 'Bob Burger', 'night shift', 'eyJhbGciOi'])
      assert.ok(!all.includes(secret))
  })
})
