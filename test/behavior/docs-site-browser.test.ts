import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { appearances, checkAccessibility } from '../support/accessibility.ts'
import { type BrowserKit, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { base, readSite, skipWithoutSite, startSite } from '../support/site.ts'

const samples = ['', 'docs/configuration', 'docs/troubleshooting']
/** Two rules of axe-core are off: Markdown has no table without headings, and the keys ⌘K inside VitePress's button are not part of its name. */
const exceptRules = ['empty-table-header', 'label-content-name-mismatch']
const phone = { viewport: { width: 390, height: 844 }, isMobile: true }

const site = await startSite()

describe('the documentation site in Chromium', { skip: skipWithoutSite() || skipWithoutChromium() }, () => {
  let kit: BrowserKit

  before(async () => {
    kit = await startBrowser()
  })
  after(() => kit?.stop())

  /** Runs steps in a page. Fails if a page reports an error, or if a request fails or goes to another server. */
  async function browse(options: BrowserContextOptions, journey: (page: Page) => Promise<void>) {
    const context = await kit.open(options)
    const page = await context.newPage()
    const faults: string[] = []
    page.on('console', (message) => message.type() === 'error' && faults.push(`${page.url()}: ${message.text()}`))
    page.on('pageerror', (error) => faults.push(`${page.url()}: ${error.message}`))
    // Chromium aborts the prefetch of a page when the test opens another one.
    page.on('requestfailed', (request) => {
      const error = request.failure()?.errorText
      if (error !== 'net::ERR_ABORTED') faults.push(`${request.url()}: ${error}`)
    })
    page.on(
      'request',
      (request) =>
        /^(?:data:|blob:)/.test(request.url()) || request.url().startsWith(site) || faults.push(request.url()),
    )
    page.on('response', (response) => response.ok() || faults.push(`${response.url()}: ${response.status()}`))
    await journey(page)
    await context.close()
    const isExpected = (fault: string) => fault.startsWith(`${site}not-a-page`)
    assert.deepEqual(
      faults.filter((fault) => !isExpected(fault)),
      [],
    )
  }

  /** Opens a page, and waits until its scripts have made it interactive, which may take longer than its last request. */
  async function open(page: Page, path: string): Promise<void> {
    await page.goto(site + path, { waitUntil: 'networkidle' })
    await page.waitForFunction('document.getElementById("app").__vue_app__ !== undefined')
  }

  test('every page of the documentation site fits a screen that is 390 pixels wide', async () => {
    await browse(phone, async (page) => {
      for (const path of readSite().keys()) {
        await page.goto(site + path.slice(base.length))
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, path)
      }
    })
  })

  test('a search of the documentation site for a configuration key leads to its row of the reference', async () => {
    await browse({}, async (page) => {
      await open(page, '')
      await page.getByRole('button', { name: 'Search' }).click()
      await page.getByRole('searchbox').fill('proxy_secret')
      await page.locator('.result').first().waitFor()
      assert.match((await page.locator('.result').first().getAttribute('href'))!, /configuration#proxy_secret$/)
      await page.keyboard.press('Enter')
      await page.waitForURL(/#proxy_secret$/)
      const row = page.locator('#proxy_secret')
      assert.match(await row.innerText(), /ELASTAUTH_PROXY_SECRET/)
      await page.waitForFunction(isInViewport)
    })
  })

  test('the documentation site follows the color scheme of the system, and its switch changes and remembers it', async () => {
    await browse({ colorScheme: 'light', viewport: { width: 1440, height: 900 } }, async (page) => {
      const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
      await open(page, '')
      assert.equal(await background(), 'rgb(255, 255, 255)')
      await page.getByRole('switch').first().click()
      await page.waitForFunction('document.documentElement.classList.contains("dark")')
      await open(page, 'docs/users')
      assert.equal(await background(), 'rgb(27, 27, 31)')
    })
  })

  test('the documentation site shows its own page for an unknown path', async () => {
    await browse({}, async (page) => {
      await open(page, 'not-a-page')
      await page.getByRole('heading', { name: 'Page not found' }).waitFor()
    })
  })

  for (const [name, options] of appearances.slice(0, 3)) {
    test(`the pages of the documentation site have no accessibility problem that axe-core finds (${name})`, async () => {
      await browse({ ...options, bypassCSP: true, reducedMotion: 'reduce' }, async (page) => {
        for (const path of samples) {
          await open(page, path)
          await checkAccessibility(page, exceptRules)
        }
      })
    })
  }
})

/** Runs in the page. */
const isInViewport = `(() => {
  const { top, bottom } = document.getElementById('proxy_secret').getBoundingClientRect()
  return top >= 0 && bottom <= innerHeight
})()`
