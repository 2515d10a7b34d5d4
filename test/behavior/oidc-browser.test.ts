import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { type BrowserKit, signInAs, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'

describe('people log in, in proxy mode, in Chromium', { skip: skipWithoutChromium() }, async () => {
  const { idp, appRequests, startProxy } = await createOidcTestBed()
  const { url } = await startProxy()
  let kit: BrowserKit
  let context: BrowserContext
  let page: Page

  before(async () => {
    kit = await startBrowser()
  })
  after(() => kit?.stop())

  /** Somebody else's browser. */
  async function openNew(path: string): Promise<void> {
    await context?.close()
    context = await kit.open()
    page = await context.newPage()
    await page.goto(url + path)
  }
  const heading = () => page.getByRole('heading', { level: 1 }).innerText()
  const whoami = () => page.evaluate(`fetch('/elastauth/whoami').then((r) => r.json())`)

  test('a deep link leads to the provider, and from there to where it pointed', async () => {
    await openNew('/app/discover?columns=a,b&q=%22x%20y%22')
    assert.equal(new URL(page.url()).origin, idp.issuer)
    await signInAs(page, 'alice')
    assert.equal(page.url(), `${url}/app/discover?columns=a,b&q=%22x%20y%22`)
    assert.equal(await heading(), 'Hello alice')
  })

  test('what stays in the browser is one small cookie that no script reads and nobody else gets', async () => {
    const ours = (await context.cookies(url)).filter(({ name }) => name.includes('elastauth'))
    assert.deepEqual(
      ours.map(({ name, path, httpOnly, secure, sameSite }) => ({ name, path, httpOnly, secure, sameSite })),
      [{ name: '__Host-elastauth-session', path: '/', httpOnly: true, secure: true, sameSite: 'Lax' }],
    )
    const { name, value } = ours[0]!
    assert.ok(name.length + value.length + 1 <= 100)
    assert.equal(await page.evaluate('document.cookie'), '')
    assert.notEqual(appRequests.length, 0)
    for (const { headers } of appRequests) assert.doesNotMatch(headers.cookie ?? '', /elastauth/)
  })

  test('a script’s call without a session hears 401 in JSON, and is led nowhere', async () => {
    const call = `fetch('/api/data').then(async (r) => [r.status, r.redirected, (await r.json()).error])`
    await context.clearCookies({ name: '__Host-elastauth-session' })
    assert.deepEqual(await page.evaluate(call), [401, false, 'identity_missing'])
    // The provider still knows her: nothing is asked.
    await page.goto(`${url}/app/home#/and/what/stands/here`)
    assert.equal(page.url(), `${url}/app/home#/and/what/stands/here`)
    assert.equal(await heading(), 'Hello alice')
    assert.equal(await page.evaluate(`fetch('/api/data').then((r) => r.status)`), 200)
  })

  test('Kibana’s logout ends the session here and at the provider, and somebody else can log in', async () => {
    await page.getByRole('link', { name: 'Log out' }).click()
    assert.equal(new URL(page.url()).origin, idp.issuer)
    await page.getByRole('button', { name: 'Yes, sign me out' }).click()
    assert.equal(page.url(), `${url}/elastauth/signed-out`)
    assert.equal(await heading(), 'You are signed out')
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await signInAs(page, 'bob')
    assert.equal(await heading(), 'Hello bob')
  })

  test('another site’s link to the logout is a question; the button below it works under the page’s policy', async () => {
    await page.goto(`${idp.issuer}/.well-known/openid-configuration`)
    await page.evaluate(`location.href = '${url}/elastauth/logout'`)
    await page.waitForURL(`${url}/elastauth/logout`)
    assert.equal(await heading(), 'Sign out?')
    await page.getByRole('link', { name: 'Stay signed in' }).click()
    assert.equal(await heading(), 'Hello bob')
    await page.goto(`${idp.issuer}/.well-known/openid-configuration`)
    await page.evaluate(`location.href = '${url}/elastauth/logout'`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    assert.equal(await heading(), 'Sign out?', 'the provider’s own question')
    assert.equal(new URL(page.url()).origin, idp.issuer)
  })

  test('a logout at the provider ends the session here', async () => {
    await openNew('/app/home')
    await signInAs(page, 'alice')
    const other = await context.newPage()
    await other.goto(`${idp.issuer}/session/end`)
    await other.getByRole('button', { name: 'Yes, sign me out' }).click()
    assert.equal(await other.getByRole('heading').innerText(), 'Signed out at the provider')
    await page.reload()
    assert.equal(await heading(), 'Sign in')
  })

  test('who has no role is told why, and may come as somebody else', async () => {
    await openNew('/app/home')
    await signInAs(page, 'carol')
    assert.equal(await heading(), 'Access denied')
    assert.match(await page.getByRole('main').innerText(), /None of your groups is mapped to a role/)
    await page.getByRole('link', { name: 'Use another account' }).click()
    await page.getByRole('button', { name: 'Yes, sign me out' }).click()
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await signInAs(page, 'bob')
    assert.equal(await heading(), 'Hello bob')
  })

  test('who thinks better of it sees that nobody was let in, and can begin again', async () => {
    await openNew('/app/home')
    await page.getByRole('button', { name: 'Cancel' }).click()
    assert.equal(await heading(), 'Sign-in failed')
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await signInAs(page, 'alice')
    assert.equal(await heading(), 'Hello alice')
  })

  test('after the logout of one, the next one’s session is another', async () => {
    const before = await context.cookies(url)
    await page.goto(`${url}/api/security/logout`)
    await page.getByRole('button', { name: 'Yes, sign me out' }).click()
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await signInAs(page, 'bob')
    assert.equal(((await whoami()) as { username: string }).username, 'bob')
    const values = (cookies: typeof before) => cookies.map(({ value }) => value)
    assert.notDeepEqual(values(await context.cookies(url)), values(before))
  })
})
