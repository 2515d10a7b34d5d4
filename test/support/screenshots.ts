// Writes a screenshot of every HTML page, in the light and the dark scheme and on a phone:
//   node test/support/screenshots.ts DIRECTORY
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BrowserContextOptions } from 'playwright-core'
import { startBrowser } from './browser.ts'
import { htmlPages } from './html-pages.ts'
import { startUpstream } from './upstream.ts'

const directory = process.argv[2]
if (directory === undefined) throw new Error('usage: node test/support/screenshots.ts DIRECTORY')
mkdirSync(directory, { recursive: true })

const devices: Readonly<Record<string, BrowserContextOptions>> = {
  light: { colorScheme: 'light', viewport: { width: 960, height: 640 } },
  dark: { colorScheme: 'dark', viewport: { width: 960, height: 640 } },
  phone: { viewport: { width: 360, height: 640 }, deviceScaleFactor: 2, isMobile: true },
}

const upstream = await startUpstream((request, response) => {
  const { status, headers, body } = htmlPages.get(request.url ?? '') ?? { status: 404, headers: [], body: '' }
  response.writeHead(status, headers).end(body)
})
const browser = await startBrowser()
for (const [device, options] of Object.entries(devices)) {
  const page = await (await browser.open(options)).newPage()
  for (const path of htmlPages.keys()) {
    await page.goto(upstream.url + path)
    await page.screenshot({ path: join(directory, `${path.slice(1)}-${device}.png`), fullPage: true })
  }
}
await browser.stop()
console.log(`${directory}: ${htmlPages.size} pages, each ${Object.keys(devices).join(', ')}`)
process.exit()
