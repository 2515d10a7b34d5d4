import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { type BrowserKit, signInAs, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { respondJson } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { eventually } from '../support/wait.ts'

describe('what a person sees of tokens that end, in Chromium', { skip: skipWithoutChromium() }, async () => {
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

  test('a token’s end is no login: it is refreshed, and new groups come with it', async () => {
    assert.deepEqual(await groups(), ['staff'])
    idp.accounts.set('bob', { ...idp.accounts.get('bob'), groups: ['staff', 'night shift'] })
    await eventually(groups, (now) => now.includes('night shift'))
    assert.notEqual(refreshes().length, 0)
    assert.equal(await heading(), 'Hello bob')
    assert.equal(idp.calls('authorization'), 1)
  })

  test('a provider that is gone logs nobody out: they see so, and go on when it is back', async () => {
    await idp.pause()
    await eventually(heading, (text) => text !== 'Hello bob')
    assert.equal(await page.getByRole('heading').innerText(), 'The identity provider is not available right now')
    await idp.resume()
    await page.getByRole('link', { name: 'Try again' }).click()
    assert.equal(await eventually(heading, (text) => text.startsWith('Hello')), 'Hello bob')
    assert.equal(idp.calls('authorization'), 1)
  })

  test('a provider that answers 500 is like one that is gone', async () => {
    const undo = idp.intercept('token', respondJson(500, { error: 'server_error' }))
    await eventually(heading, (text) => text.startsWith('The identity provider'))
    undo()
    assert.equal(await eventually(heading, (text) => text.startsWith('Hello')), 'Hello bob')
  })

  test('a refresh token that is good no more ends the session, and the provider asks', async () => {
    const undo = idp.intercept('token', respondJson(400, { error: 'invalid_grant' }))
    await page.context().clearCookies({ domain: 'localhost' }) // it has forgotten him
    await eventually(heading, (text) => text === 'Sign in')
    undo()
    await signInAs(page, 'bob')
    assert.equal(await page.getByRole('heading').innerText(), 'Hello bob')
  })
})
