// A browser's way through a running installation: sign in, Dev Tools, Discover, sign out, with made-up credentials at each stage.
// CONTRIBUTING.md says how to start it; a failure leaves a screenshot and a trace in --output, and the exit code is 1.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startBrowser } from '../support/browser.ts'
import { assertForgeriesChangeNothing, assertForgeriesRejected, assertSessionOver } from './attacks.ts'
import { assertKibanaKnows, openSignedOut, readInDiscover, runInDevTools, signOut } from './kibana.ts'
import { signIn, signInPages } from './sign-in.ts'
import { createClient, trustedKeyOf } from './trust.ts'

const usage = `usage: JOURNEY_PASSWORD=… node test/journeys/main.ts --url https://kibana.example.com
  --sign-in ${Object.keys(signInPages).join('|')}   whose sign-in page it is
  --login NAME        what the user types as the username
  --user NAME         the user's name in Elasticsearch; by default that of --login
  --index NAME        an index that the user may read
  --text TEXT         a text in one of its documents
  --sign-in-url URL   the origin of the sign-in page, if it is not that of --url
  --ca FILE           the certificate authority of both, if the system does not trust it
  --output DIRECTORY  where a failure leaves failure.png and trace.zip; by default ./journey`

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

// Chromium knows no --ca: it accepts the keys of those certificates that the authority has signed, and no other.
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
  await step('made-up credentials are rejected without a session', () => assertForgeriesRejected(client))
  await step(`${user} signs in`, () => signIn(page, form, { url, login, password }))
  await step(`Kibana knows ${user}`, () => assertKibanaKnows(page, user))
  await step('made-up credentials change nothing in a session', () => assertForgeriesChangeNothing(page, user))
  await step(`Dev Tools sends requests as ${user}`, () => runInDevTools(page, url, user))
  await step(`Discover shows the data of ${index}`, () => readInDiscover(page, url, { index, text }))
  const before = await cookies()
  await step(`${user} signs out`, () => signOut(page, form.signedOut))
  await step('the cookies of the session are useless after the sign-out', () => assertSessionOver(client, before))
  await step('Kibana asks for a sign-in again', () => openSignedOut(page, url, form.asksFor))
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
