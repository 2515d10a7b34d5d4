import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { BrowserContextOptions, Page } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The ways to show a page in which it has to be accessible. */
export const appearances: readonly (readonly [name: string, options: BrowserContextOptions])[] = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', viewport: { width: 320, height: 568 }, isMobile: true }],
  ['forced-colors', { forcedColors: 'active' }],
]

/**
 * Throws AssertionError with every problem that axe-core finds on the page, except by some rules. The context needs
 * `bypassCSP`.
 */
export async function checkAccessibility(page: Page, exceptRules: readonly string[] = []): Promise<void> {
  await page.evaluate(axe)
  const { violations, passes } = (await page.evaluate('axe.run()')) as {
    violations: { id: string; nodes: { html: string }[] }[]
    passes: unknown[]
  }
  assert.notEqual(passes.length, 0)
  assert.deepEqual(
    violations
      .filter(({ id }) => !exceptRules.includes(id))
      .map(({ id, nodes }) => `${page.url()} ${id}: ${nodes.map(({ html }) => html).join(' ')}`),
    [],
  )
}
