// Sends a browser through a running installation: sign in, Dev Tools, Discover, sign out, with forged credentials at each stage.
// CONTRIBUTING.md says how to run it. After a failure, --output has a screenshot and a trace, and the exit code is 1.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startBrowser } from '../support/browser.ts'
import { assertForgeriesChangeNothing, assertForgeriesRejected, assertSessionOver } from './attacks.ts'
import { assertKibanaKnows, openSignedOut, readInDiscover, runInDevTools, signOut } from './kibana.ts'
import { signIn, signInPages } from './sign-in.ts'
import { createClient, trustedKeyOf } from './trust.ts'

const usage = `usage: JOURNEY_PASSWORD=… node test/journeys/main.ts --url https://kibana.example.com
  --sign-in ${Object.keys(signInPages).join('|')}   the product with the sign-in page, or elastauth's form
  --login NAME        what the user types as the username
  --user NAME         the username in Elasticsearch; by default that of --login
  --index NAME        an index that the user may read
  --text TEXT         a text in one of its documents
  --sign-in-url URL   the address of the sign-in page, if its origin is not that of --url
  --ca FILE           the CA certificate of both, if the system does not trust it
  --output DIRECTORY  for failure.png and trace.zip after a failure; by default ./journey`

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    'sign-in': { type: 'string' },
    'sign-in-url': { type: 'string' },
    login: { type: 'string' },
    user: { type: 'string' },
    index: { type: 'string' },
    text: { type: 'string' },
    ca: { type: 'string' },
    output: { type: 'string', default: 'journey' },
  },
})
const { url: givenUrl, 'sign-in': kind = '', login, index, text, output } = values
const password = process.env.JOURNEY_PASSWORD
const form = Object.hasOwn(signInPages, kind) ? signInPages[kind] : undefined
if (!givenUrl || !form || !login || !password || !index || !text) {
  console.error(usage)
  process.exit(2)
}
const url = new URL(givenUrl).origin
const user = values.user ?? login
const ca = values.ca === undefined ? undefined : readFileSync(values.ca, 'utf8')

// Chromium has no option for a CA. It gets the public keys of the servers whose certificates this CA has issued, and accepts those.
const origins = new Set([url, new URL(values['sign-in-url'] ?? url).origin])
const keys = ca === undefined ? [] : await Promise.all([...origins].map((origin) => trustedKeyOf(origin, ca)))
const browser = await startBrowser({
  args: keys.length > 0 ? [`--ignore-certificate-errors-spki-list=${keys.join(',')}`] : [],
})
const context = await browser.open({ viewport: { width: 1400, height: 900 } })
await context.tracing.start({ screenshots: true, snapshots: true })
const page = await context.newPage()
const client = createClient(url, ca)
const cookies = async () => (await context.cookies(url)).map(({ name, value }) => `${name}=${value}`).join('; ')

let current = ''
async function step<T>(name: string, run: () => Promise<T>): Promise<T> {
  current = name
  const result = await run()
  console.log(`ok: ${name}`)
  return result
}

try {
  await step('forged credentials are rejected without a session', () => assertForgeriesRejected(client))
  await step(`${user} signs in`, () => signIn(page, form, { url, login, password }))
  await step(`Kibana knows ${user}`, () => assertKibanaKnows(page, user))
  await step('forged credentials change nothing in a session', () => assertForgeriesChangeNothing(page, user))
  await step(`Dev Tools sends requests as ${user}`, () => runInDevTools(page, url, user))
  await step(`Discover shows the data of ${index}`, () => readInDiscover(page, url, { index, text }))
  const before = await cookies()
  await step(`${user} signs out`, () => signOut(page, form.signedOut))
  await step('the cookies of the session no longer work after the sign-out', () => assertSessionOver(client, before))
  await step('Kibana asks for a sign-in again', () => openSignedOut(page, url, form.signInPrompt))
} catch (error) {
  process.exitCode = 1
  console.error(`failed: ${current}: ${error instanceof Error ? error.message : error}`)
  mkdirSync(output, { recursive: true })
  await page.screenshot({ path: join(output, 'failure.png') })
  await context.tracing.stop({ path: join(output, 'trace.zip') })
  console.error(`See ${output}/failure.png, and ${output}/trace.zip at https://trace.playwright.dev`)
} finally {
  await browser.stop()
  await client.close()
}
