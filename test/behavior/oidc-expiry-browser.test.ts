import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { type BrowserKit, signInAs, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { respondJson } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { eventually } from '../support/wait.ts'

describe('the expiry of tokens, in Chromium', { skip: skipWithoutChromium() }, async () => {
  const { idp, startProxy } = await createOidcTestBed({ lifetimes: { accessToken: 2 } })
  const { url } = await startProxy({ 'session.grace': '1s' })
  let kit: BrowserKit
  let page: Page

  before(async () => {
    kit = await startBrowser()
    page = await (await kit.open()).newPage()
    await page.goto(`${url}/app/home`)
    await signInAs(page, 'bob')
  })
  after(() => kit?.stop())

  const refreshes = () => idp.grants.filter(({ type }) => type === 'refresh_token')
  const groups = () =>
    page.evaluate(`fetch('/elastauth/whoami').then((r) => r.json()).then((me) => me.groups)`) as Promise<string[]>
  async function heading(): Promise<string> {
    await page.reload()
    return page.getByRole('heading', { level: 1 }).innerText()
  }

  test('refreshes an expired token without a new login, and applies changed groups', async () => {
    assert.deepEqual(await groups(), ['staff'])
    idp.accounts.set('bob', { ...idp.accounts.get('bob'), groups: ['staff', 'night shift'] })
    await eventually(groups, (now) => now.includes('night shift'))
    assert.notEqual(refreshes().length, 0)
    assert.equal(await heading(), 'Hello bob')
    assert.equal(idp.calls('authorization'), 1)
  })

  test('shows an error page while the provider is down, and serves the session again afterwards', async () => {
    // Right after a refresh, so that none is in progress: one without a response is not repeated for two minutes.
    const before = refreshes().length
    await eventually(groups, () => refreshes().length > before)
    await idp.pause()
    await eventually(heading, (text) => text !== 'Hello bob')
    assert.equal(await page.getByRole('heading').innerText(), 'The identity provider is not available right now')
    await idp.resume()
    await page.getByRole('link', { name: 'Try again' }).click()
    assert.equal(await eventually(heading, (text) => text.startsWith('Hello')), 'Hello bob')
    assert.equal(idp.calls('authorization'), 1)
  })

  test('shows an error page while the token endpoint responds with 500, and serves the session again afterwards', async () => {
    const restore = idp.intercept('token', respondJson(500, { error: 'server_error' }))
    await eventually(heading, (text) => text.startsWith('The identity provider'))
    restore()
    assert.equal(await eventually(heading, (text) => text.startsWith('Hello')), 'Hello bob')
  })

  test('ends the session if the provider rejects the refresh token, and redirects to a new sign-in', async () => {
    const restore = idp.intercept('token', respondJson(400, { error: 'invalid_grant' }))
    await page.context().clearCookies({ domain: 'localhost' }) // ends the session at the provider
    await eventually(heading, (text) => text === 'Sign in')
    restore()
    await signInAs(page, 'bob')
    assert.equal(await page.getByRole('heading').innerText(), 'Hello bob')
  })
})
