import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { appearances, checkAccessibility } from '../support/accessibility.ts'
import { type BrowserKit, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { createFormTestBed, passwords, signInWithForm } from '../support/sign-in-form.ts'
import { startUpstream } from '../support/upstream.ts'

/** Without `Headless`. */
const userAgent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36'

describe('the account page in Chromium', { skip: skipWithoutChromium() }, async () => {
  const { startProxy } = await createFormTestBed()
  const { url } = await startProxy()
  let kit: BrowserKit

  before(async () => {
    kit = await startBrowser()
  })
  after(() => kit?.stop())

  /** Opens the account page after a sign-in in a browser of its own. */
  async function signIn(username: 'alice' | 'bob', options?: BrowserContextOptions): Promise<Page> {
    const page = await (await kit.open({ userAgent, ...options })).newPage()
    await page.goto(`${url}/app`)
    await page.getByLabel('Username').fill(username)
    await page.getByLabel('Password').fill(passwords[username])
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${url}/app`)
    await page.goto(`${url}/elastauth/account`)
    return page
  }
  const rows = (page: Page) => page.getByRole('listitem').count()
  const heading = (page: Page) => page.getByRole('heading', { level: 1 }).innerText()
  async function isSignedIn(page: Page): Promise<boolean> {
    await page.goto(`${url}/app`)
    return (await heading(page)).startsWith('Hello')
  }
  async function signOutEverywhere(page: Page): Promise<void> {
    await page.goto(`${url}/elastauth/account`)
    await page.getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.waitForURL(`${url}/elastauth/signed-out`)
  }

  test('without JavaScript, a user ends the session of another browser, then all others, then signs out everywhere', async () => {
    const second = await signIn('alice')
    const third = await signIn('alice')
    const page = await signIn('alice', { javaScriptEnabled: false })
    assert.equal(await rows(page), 3)
    const [first] = await page.getByRole('listitem').allInnerTexts()
    assert.match(
      first!,
      /^Chrome on Linux this session\s+Signed in \d{4}-\d\d-\d\d \d\d:\d\d UTC, in use now\s+Sign out$/,
    )
    await page
      .getByRole('button', { name: /^End: Chrome on Linux/ })
      .first()
      .click()
    await page.getByRole('listitem').nth(2).waitFor({ state: 'detached' })
    assert.equal(page.url(), `${url}/elastauth/account`)
    assert.deepEqual([await isSignedIn(second), await isSignedIn(third)].sort(), [false, true])
    await page.getByRole('button', { name: 'End all other sessions' }).click()
    await page.getByRole('listitem').nth(1).waitFor({ state: 'detached' })
    assert.deepEqual([await isSignedIn(second), await isSignedIn(third)], [false, false])
    await signInWithForm(url)
    await signOutEverywhere(page)
    assert.equal(await heading(page), 'You are signed out')
    assert.equal(await isSignedIn(page), false)
    await page.goBack()
    assert.doesNotMatch(await page.locator('body').innerText(), /alice/)
  })

  test('the sessions can be ended by keyboard alone, in the order of the page', async () => {
    const other = await signIn('bob')
    const page = await signIn('bob')
    const names: string[] = []
    for (let i = 0; i < 5; i++) {
      await page.keyboard.press('Tab')
      names.push(await page.evaluate('document.activeElement.innerText'))
      assert.equal(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'solid')
    }
    assert.deepEqual(names, ['Open the service', 'Sign out', 'End', 'End all other sessions', 'Sign out everywhere'])
    for (let i = 0; i < 2; i++) await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('listitem').nth(1).waitFor({ state: 'detached' })
    assert.equal(await isSignedIn(other), false)
    await page.getByRole('link', { name: 'Sign out' }).click()
    assert.equal(await heading(page), 'You are signed out')
  })

  test('CSRF: a form on another port of the same host does not end the sessions of its visitor', async () => {
    const page = await signIn('alice')
    const form = `<form method="post" action="${url}/elastauth/account"><button name="end" value="all">Win</button></form>`
    const evil = await startUpstream((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end(form)
    })
    await page.goto(evil.url)
    await page.getByRole('button').click()
    await page.waitForURL(`${url}/elastauth/account`)
    assert.match(await page.locator('main').innerText(), /came from another site/)
    assert.ok(await isSignedIn(page))
    const other = await signIn('alice')
    await signOutEverywhere(other)
    assert.equal(await isSignedIn(page), false)
  })

  for (const [name, options] of appearances) {
    test(`axe-core finds no problem on the account page with one session and with two (${name})`, async () => {
      // Only the script of the test needs an exception from the Content-Security-Policy, which other tests check.
      const page = await signIn('alice', { ...options, bypassCSP: true })
      assert.equal(await rows(page), 1)
      await checkAccessibility(page)
      await signInWithForm(url)
      await page.reload()
      assert.equal(await rows(page), 2)
      await checkAccessibility(page)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
      await signOutEverywhere(page)
    })
  }
})
