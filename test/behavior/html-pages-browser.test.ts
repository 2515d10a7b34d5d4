import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { type BrowserKit, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { htmlPages } from '../support/html-pages.ts'
import { startUpstream } from '../support/upstream.ts'

const controls = 'a, button, input:not([type=hidden])'

const { url } = await startUpstream((request, response) => {
  const { status, headers, body } = htmlPages.get(request.url ?? '') ?? { status: 404, headers: [], body: '' }
  response.writeHead(status, headers).end(body)
})

describe('the HTML pages in Chromium', { skip: skipWithoutChromium() }, () => {
  let kit: BrowserKit

  before(async () => {
    kit = await startBrowser()
  })
  after(() => kit?.stop())

  /** Opens each page and checks it. @returns the errors that the browser reports */
  async function checkPages(options: BrowserContextOptions, check: (page: Page, path: string) => Promise<void>) {
    const context = await kit.open(options)
    const page = await context.newPage()
    const errors: string[] = []
    page.on('console', (message) => errors.push(message.text()))
    page.on('requestfailed', (request) => errors.push(`${request.url()} failed`))
    for (const path of htmlPages.keys()) {
      await page.goto(url + path)
      await check(page, path)
    }
    await context.close()
    // Chromium reports every status of 400 and above.
    return errors.filter((text) => !text.startsWith('Failed to load resource: the server responded'))
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`the HTML pages load their stylesheet in the ${colorScheme} scheme, and every text has a contrast of at least 4.5 (WCAG AA)`, async () => {
      const backgrounds = new Set<string>()
      const errors = await checkPages({ colorScheme }, async (page, path) => {
        for (const { text, ratio, background } of await page.evaluate(measureContrast)) {
          assert.ok(ratio >= 4.5, `${path}: “${text}” has ${ratio.toFixed(2)}`)
          backgrounds.add(background)
        }
      })
      assert.deepEqual(errors, [])
      assert.ok(
        backgrounds.has(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(26, 29, 36)'),
        [...backgrounds].join(),
      )
    })
  }

  test('the HTML pages fit a screen that is 320 pixels wide', async () => {
    await checkPages({ viewport: { width: 320, height: 568 }, isMobile: true }, async (page, path) => {
      const width = await page.evaluate('document.documentElement.scrollWidth')
      assert.equal(width, 320, path)
    })
  })

  test('the HTML pages have a language, a title and one heading without JavaScript', async () => {
    await checkPages({ javaScriptEnabled: false }, async (page, path) => {
      assert.equal(await page.locator('html').getAttribute('lang'), 'en')
      const headings = await page.getByRole('heading', { level: 1 }).allTextContents()
      assert.deepEqual(headings, [await page.title()], path)
      assert.equal(await page.getByRole('main').count(), 1)
    })
  })

  test('the HTML pages can be used by keyboard, with a visible focus', async () => {
    await checkPages({}, async (page, path) => {
      const all = page.locator(controls)
      const count = await all.count()
      const hasFocus = (await page.locator('[autofocus]').count()) > 0
      if (hasFocus) await page.locator('[autofocus]:focus').waitFor() // which may come after `load`
      for (let i = 0; i < count; i++) {
        if (i === 0 && hasFocus) await all.first().focus()
        else await page.keyboard.press('Tab')
        const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')
        const focused = await page.evaluate(`document.activeElement.matches('${controls}')`)
        assert.deepEqual([focused, outline], [true, 'solid'], path)
      }
    })
  })

  test('the HTML page for denied access includes the reason and the request id', async () => {
    const page = await (await kit.open()).newPage()
    await page.goto(`${url}/no_roles`)
    const text = await page.getByRole('main').innerText()
    assert.match(text, /^Access denied\n+None of your groups is mapped to a role\./)
    assert.match(text, /7c9e6679-7425-40de-944b-e07fc1f90ae7/)
    assert.equal(
      await page.getByRole('link', { name: 'Use another account' }).getAttribute('href'),
      '/elastauth/logout',
    )
  })
})

/** Runs in the page. The contrast ratio (WCAG 2.2) of each text to its background. */
const measureContrast = (): { text: string; ratio: number; background: string }[] => {
  // biome-ignore lint/suspicious/noExplicitAny: runs in the browser, and the DOM types are not included
  const { document, getComputedStyle } = globalThis as any
  const partsOf = (color: string) => color.match(/[\d.]+/g)!.map(Number)
  const luminance = (color: string) => {
    const [r = 0, g = 0, b = 0] = partsOf(color).map((part) => {
      const value = part / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  // biome-ignore lint/suspicious/noExplicitAny: an Element
  const backgroundOf = (element: any): string => {
    const { backgroundColor } = getComputedStyle(element)
    return partsOf(backgroundColor)[3] === 0 ? backgroundOf(element.parentElement) : backgroundColor
  }
  return [...document.querySelectorAll('h1, p, dt, dd, small, a, button')].map((element) => {
    const background = backgroundOf(element)
    const [high = 0, low = 0] = [luminance(getComputedStyle(element).color), luminance(background)].sort(
      (a, b) => b - a,
    )
    return { text: element.textContent, ratio: (high + 0.05) / (low + 0.05), background }
  })
}
