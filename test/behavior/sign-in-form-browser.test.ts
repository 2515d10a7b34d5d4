import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { appearances, checkAccessibility } from '../support/accessibility.ts'
import { type BrowserKit, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { createFormTestBed, passwords } from '../support/sign-in-form.ts'
import { startUpstream } from '../support/upstream.ts'
import { eventually } from '../support/wait.ts'

describe('the sign-in form in Chromium', { skip: skipWithoutChromium() }, async () => {
  const { startProxy } = await createFormTestBed()
  const { url } = await startProxy()
  let kit: BrowserKit

  before(async () => {
    kit = await startBrowser()
  })
  after(() => kit?.stop())

  async function open(path: string, options?: BrowserContextOptions): Promise<Page> {
    const page = await (await kit.open(options)).newPage()
    await page.goto(url + path)
    return page
  }

  async function submit(page: Page, username: string, password: string): Promise<void> {
    await page.getByLabel('Username').fill(username)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  const heading = (page: Page) => page.getByRole('heading', { level: 1 }).innerText()

  test('without JavaScript, a wrong password and then the right one lead to the requested page', async () => {
    const page = await open('/app/x?y=1', { javaScriptEnabled: false })
    await submit(page, 'alice', 'wrong')
    assert.equal(await page.getByRole('alert').innerText(), 'The username or the password is wrong.')
    assert.equal(await page.getByLabel('Username').inputValue(), 'alice')
    await page.getByLabel('Password').fill(passwords.alice)
    await page.getByLabel('Password').press('Enter')
    await page.waitForURL(`${url}/app/x?y=1`)
    assert.equal(await heading(page), 'Hello alice')
  })

  test('reloading the page after a wrong password neither sends the password again nor repeats the message', async () => {
    const page = await open('/app')
    await submit(page, 'alice', 'wrong')
    await page.getByRole('alert').waitFor()
    const methods: string[] = []
    page.on('request', (request) => methods.push(request.method()))
    await page.reload()
    assert.equal(await page.getByRole('alert').count(), 0)
    assert.deepEqual([...new Set(methods)], ['GET'])
  })

  test('the form can be filled in and submitted by keyboard alone, from the field that has the focus', async () => {
    const page = await open('/app')
    await page.locator('#username:focus').waitFor()
    await page.keyboard.type('bob')
    await page.keyboard.press('Tab')
    await page.keyboard.type(passwords.bob)
    await page.keyboard.press('Tab')
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')
    assert.deepEqual([await page.evaluate('document.activeElement.localName'), outline], ['button', 'solid'])
    await page.keyboard.press('Space')
    await page.waitForURL(`${url}/app`)
    assert.equal(await heading(page), 'Hello bob')
  })

  test('after a sign-out, the back button shows the form and not the page of the user who has left', async () => {
    const page = await open('/app/secret')
    await submit(page, 'alice', passwords.alice)
    await page.waitForURL(`${url}/app/secret`)
    await page.goto(`${url}/elastauth/whoami`)
    await page.goto(`${url}/app/secret`)
    await page.getByRole('link', { name: 'Log out' }).click()
    assert.equal(await heading(page), 'You are signed out')
    for (const path of ['/app/secret', '/elastauth/whoami']) {
      await page.goBack()
      const text = await page.locator('body').innerText()
      assert.doesNotMatch(text, /alice/, path)
    }
  })

  test('after a sign-out, the back button shows no page of the user who has left, in a browser that keeps pages as they were left', async () => {
    const keeping = await startBrowser({ keepsPages: true })
    try {
      const page = await (await keeping.open()).newPage()
      const goBack = () => page.goBack({ waitUntil: 'commit' }) // a kept page has no `load` event
      const other = await startUpstream((_, response) => response.end())
      // Chromium discards a page that it cannot freeze in time, as on a busy machine.
      await eventually(
        async () => {
          await page.goto(`${other.url}/first`)
          await page.evaluate('isKept = true')
          await page.goto(`${other.url}/second`)
          await goBack()
          return page.evaluate('globalThis.isKept')
        },
        (isKept) => isKept === true,
      )

      const policies: (string | undefined)[] = []
      page.on('response', (response) => {
        if (response.request().isNavigationRequest() && response.status() === 200)
          policies.push(response.headers()['cache-control'])
      })
      await page.goto(`${url}/app/secret`)
      await submit(page, 'alice', passwords.alice)
      await page.waitForURL(`${url}/app/secret`)
      await page.goto(`${url}/elastauth/whoami`)
      assert.match(await page.locator('body').innerText(), /alice/)
      await page.goto(`${url}/app/secret`)
      await page.getByRole('link', { name: 'Log out' }).click()
      assert.equal(await heading(page), 'You are signed out')
      for (const path of ['/app/secret', '/elastauth/whoami', '/app/secret']) {
        await goBack()
        await eventually(
          () => page.evaluate('document.readyState'),
          (state) => state === 'complete',
        )
        assert.doesNotMatch(await page.locator('body').innerText(), /alice/, path)
      }
      assert.ok(policies.length >= 5)
      for (const policy of policies) assert.match(policy ?? '', /\bno-store\b/)
    } finally {
      await keeping.stop()
    }
  })

  test('a page of another site cannot submit the form (login CSRF)', async () => {
    const page = await open('/elastauth/login')
    const state = await page.locator('[name=state]').inputValue()
    await page.route('http://evil.example/', (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<form method="post" action="${url}/elastauth/login"><input name="state" value="${state}"><input name="username" value="bob"><input name="password" value="${passwords.bob}"><button>Win</button></form>`,
      }),
    )
    await page.goto('http://evil.example/')
    await page.getByRole('button').click()
    await page.waitForURL(`${url}/elastauth/login`)
    assert.match(await page.locator('main').innerText(), /came from another site/)
    const cookies = (await page.context().cookies(url)).map(({ name }) => name)
    assert.ok(!cookies.includes('__Host-elastauth-session'))
  })

  for (const [name, options] of appearances) {
    test(`axe-core finds no problem on the form, with and without its message, and on the other pages (${name})`, async () => {
      // Only the script of the test needs an exception from the Content-Security-Policy, which other tests check.
      const page = await open('/app', { ...options, bypassCSP: true })
      await checkAccessibility(page)
      await submit(page, 'alice', 'wrong')
      await page.getByRole('alert').waitFor()
      await checkAccessibility(page)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
      await submit(page, 'alice', passwords.alice)
      await page.waitForURL(`${url}/app`)
      for (const path of ['whoami', 'start', 'docs', 'logout', 'no-such-page']) {
        await page.goto(`${url}/elastauth/${path}`)
        await checkAccessibility(page)
      }
    })
  }
})
