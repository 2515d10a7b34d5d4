import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { type BrowserKit, signInAs, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'

describe('the login in proxy mode, in Chromium', { skip: skipWithoutChromium() }, async () => {
  const { idp, appRequests, startProxy } = await createOidcTestBed()
  const { url } = await startProxy()
  let kit: BrowserKit
  let context: BrowserContext
  let page: Page

  before(async () => {
    kit = await startBrowser()
  })
  after(() => kit?.stop())

  /** Opens the page in a new context, like another person's browser. */
  async function openInNewContext(path: string): Promise<void> {
    await context?.close()
    context = await kit.open()
    page = await context.newPage()
    await page.goto(url + path)
  }
  const heading = () => page.getByRole('heading', { level: 1 }).innerText()
  const whoami = () => page.evaluate(`fetch('/elastauth/whoami').then((r) => r.json())`)

  test('redirects a deep link to the provider, and back to the same URL after the sign-in', async () => {
    await openInNewContext('/app/discover?columns=a,b&q=%22x%20y%22')
    assert.equal(new URL(page.url()).origin, idp.issuer)
    await signInAs(page, 'alice')
    assert.equal(page.url(), `${url}/app/discover?columns=a,b&q=%22x%20y%22`)
    assert.equal(await heading(), 'Hello alice')
  })

  test('a sign-in leaves one small cookie, which scripts cannot read and the upstream does not receive', async () => {
    const ownCookies = (await context.cookies(url)).filter(({ name }) => name.includes('elastauth'))
    assert.deepEqual(
      ownCookies.map(({ name, path, httpOnly, secure, sameSite }) => ({ name, path, httpOnly, secure, sameSite })),
      [{ name: '__Host-elastauth-session', path: '/', httpOnly: true, secure: true, sameSite: 'Lax' }],
    )
    const { name, value } = ownCookies[0]!
    assert.ok(name.length + value.length + 1 <= 100)
    assert.equal(await page.evaluate('document.cookie'), '')
    assert.notEqual(appRequests.length, 0)
    for (const { headers } of appRequests) assert.doesNotMatch(headers.cookie ?? '', /elastauth/)
  })

  test('rejects a fetch that has no session with 401 in JSON instead of a redirect', async () => {
    const call = `fetch('/api/data').then(async (r) => [r.status, r.redirected, (await r.json()).error])`
    await context.clearCookies({ name: '__Host-elastauth-session' })
    assert.deepEqual(await page.evaluate(call), [401, false, 'identity_missing'])
    // The user still has a session at the provider, which does not ask again.
    await page.goto(`${url}/app/home#/a/fragment`)
    assert.equal(page.url(), `${url}/app/home#/a/fragment`)
    assert.equal(await heading(), 'Hello alice')
    assert.equal(await page.evaluate(`fetch('/api/data').then((r) => r.status)`), 200)
  })

  test("Kibana's logout ends the session at elastauth and at the provider, and lets another user sign in", async () => {
    await page.getByRole('link', { name: 'Log out' }).click()
    assert.equal(new URL(page.url()).origin, idp.issuer)
    await page.getByRole('button', { name: 'Yes, sign me out' }).click()
    assert.equal(page.url(), `${url}/elastauth/signed-out`)
    assert.equal(await heading(), 'You are signed out')
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await signInAs(page, 'bob')
    assert.equal(await heading(), 'Hello bob')
  })

  test("asks for a confirmation if a link on another site leads to the logout, with a form that the page's content security policy permits", async () => {
    await page.goto(`${idp.issuer}/.well-known/openid-configuration`)
    await page.evaluate(`location.href = '${url}/elastauth/logout'`)
    await page.waitForURL(`${url}/elastauth/logout`)
    assert.equal(await heading(), 'Sign out?')
    await page.getByRole('link', { name: 'Stay signed in' }).click()
    assert.equal(await heading(), 'Hello bob')
    await page.goto(`${idp.issuer}/.well-known/openid-configuration`)
    await page.evaluate(`location.href = '${url}/elastauth/logout'`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    assert.equal(await heading(), 'Sign out?', 'the confirmation of the provider')
    assert.equal(new URL(page.url()).origin, idp.issuer)
  })

  test('ends the session after a logout at the provider', async () => {
    await openInNewContext('/app/home')
    await signInAs(page, 'alice')
    const other = await context.newPage()
    await other.goto(`${idp.issuer}/session/end`)
    await other.getByRole('button', { name: 'Yes, sign me out' }).click()
    assert.equal(await other.getByRole('heading').innerText(), 'Signed out at the provider')
    await page.reload()
    assert.equal(await heading(), 'Sign in')
  })

  test('tells a user without a role why access is denied, and offers a sign-in with another account', async () => {
    await openInNewContext('/app/home')
    await signInAs(page, 'carol')
    assert.equal(await heading(), 'Access denied')
    assert.match(await page.getByRole('main').innerText(), /None of your groups is mapped to a role/)
    await page.getByRole('link', { name: 'Use another account' }).click()
    await page.getByRole('button', { name: 'Yes, sign me out' }).click()
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await signInAs(page, 'bob')
    assert.equal(await heading(), 'Hello bob')
  })

  test('shows an error page after a canceled sign-in, and offers to sign in again', async () => {
    await openInNewContext('/app/home')
    await page.getByRole('button', { name: 'Cancel' }).click()
    assert.equal(await heading(), 'Sign-in failed')
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await signInAs(page, 'alice')
    assert.equal(await heading(), 'Hello alice')
  })

  test('creates a new session for another user after a logout', async () => {
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
