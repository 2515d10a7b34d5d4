import { execFileSync } from 'node:child_process'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { skipBecause } from './skip.ts'

/** The name is chromium in Debian's package, and chromium-browser or google-chrome in others. */
const executableNames = ['chromium', 'chromium-browser', 'google-chrome']

/** The reason to skip tests that need Chromium, or false. Throws if Chromium is missing and REQUIRE_CHROMIUM=1. */
export function skipWithoutChromium(): string | false {
  if (findChromium() !== undefined) return false
  return skipBecause('no chromium on the PATH', 'REQUIRE_CHROMIUM')
}

/** Long, because Chromium is slow on a busy machine. */
const pageTimeoutMs = 120_000

export type BrowserKit = Readonly<{
  /** Opens a context with separate cookies and storage, like another person's browser. */
  open: (options?: Parameters<Browser['newContext']>[0]) => Promise<BrowserContext>
  stop: () => Promise<void>
}>

export type BrowserOptions = Readonly<{
  /** Whether the back button may show a page as it was left (bfcache), which Playwright turns off. */
  keepsPages?: boolean
  /** More arguments for Chromium. */
  args?: readonly string[]
}>

/** Without this, Chromium looks up the hosts of its own services thousands of times in a run, and DNS servers may drop queries. */
const blockedHosts = ['google.com', 'googleapis.com', 'gvt1.com'].map((name) => `MAP *.${name} ~NOTFOUND`).join()

export async function startBrowser({ keepsPages = false, args: more = [] }: BrowserOptions = {}): Promise<BrowserKit> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('there is no chromium on the PATH')
  // For containers, which often run as root and have a small /dev/shm.
  const forContainers = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
  const args = [...forContainers, '--disable-background-networking', `--host-resolver-rules=${blockedHosts}`, ...more]
  const ignoreDefaultArgs = keepsPages ? ['--disable-back-forward-cache'] : []
  const browser = await chromium.launch({ executablePath, args, ignoreDefaultArgs, timeout: pageTimeoutMs })
  return Object.freeze({
    async open(options = {}) {
      const context = await browser.newContext(options)
      context.setDefaultTimeout(pageTimeoutMs)
      return context
    },
    stop: () => browser.close(),
  })
}

/** Submits the provider's sign-in form, which must be on the page. */
export async function signInAs(page: Page, username: string): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

function findChromium(): string | undefined {
  for (const name of executableNames) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch {
      // not this one
    }
  }
  return undefined
}
