// The names of Kibana's elements are those of its own tests, in 8.19 and 9: elastic/kibana, src/platform/test/functional/page_objects/
// console_page.ts and discover_page.ts; x-pack/platform/plugins/shared/security/public/nav_control/nav_control_component.tsx.
import assert from 'node:assert/strict'
import type { Locator, Page, Response } from 'playwright-core'

const dataView = 'elastauth-journey'

type Call = Readonly<{ method?: string; headers?: Readonly<Record<string, string>>; body?: string }>

/** Calls Kibana's API as its pages do: Kibana 9 closes its internal API to others, and elastauth rejects requests from other sites. */
export async function callKibana(page: Page, path: string, { headers, ...call }: Call = {}) {
  const init = { headers: { 'kbn-xsrf': 'journey', 'x-elastic-internal-origin': 'Kibana', ...headers }, ...call }
  const [status, text] = (await page.evaluate(`(async () => {
    const html = await (await fetch(location.pathname)).text()
    const [, metadata] = /<kbn-injected-metadata data="([^"]*)"/.exec(html)
    const { version } = JSON.parse(metadata.replaceAll('&quot;', '"'))
    const { headers, ...init } = ${JSON.stringify(init)}
    const response = await fetch(${JSON.stringify(path)}, { ...init, headers: { ...headers, 'kbn-version': version } })
    return [response.status, await response.text()]
  })()`)) as [number, string]
  return { status, text }
}

/** Kibana's description of the current user. */
export async function whoami(page: Page, headers: Readonly<Record<string, string>> = {}) {
  return callKibana(page, '/internal/security/me', { headers })
}

/** The user menu of the page and Kibana's API both name the user. */
export async function assertKibanaKnows(page: Page, user: string): Promise<void> {
  await subject(page, 'userMenuButton').waitFor()
  const { status, text } = await whoami(page)
  assert.equal(status, 200, text)
  const { username, full_name: fullName } = JSON.parse(text)
  assert.equal(username, user)
  await subject(page, 'userMenuButton').click()
  await subject(page, 'userMenu')
    .filter({ hasText: fullName || username })
    .waitFor()
}

/** Sends a request to Elasticsearch through Kibana: elastauth forwards the POST of the console. */
export async function runInDevTools(page: Page, url: string, user: string): Promise<void> {
  await page.goto(`${url}/app/dev_tools#/console`)
  const input = subject(page, 'consoleMonacoEditor').locator('textarea').first()
  await input.waitFor({ state: 'attached' })
  const response = await sendFromConsole(page, input, 'GET /_security/_authenticate')
  const text = await response.text()
  assert.equal(response.status(), 200, text)
  assert.equal(JSON.parse(text).username, user)
  await subject(page, 'consoleMonacoOutput').filter({ hasText: user }).waitFor()
}

/** The console ignores the shortcut until it has parsed the text, and a tour may take the focus. */
async function sendFromConsole(page: Page, input: Locator, request: string): Promise<Response> {
  const path = request.split(' /').at(-1)
  const isCall = (response: Response) => {
    const { pathname, searchParams } = new URL(response.url())
    return pathname.endsWith('/api/console/proxy') && searchParams.get('path')?.replace(/^\//, '') === path
  }
  const tour = subject(page, 'consoleSkipTourButton')
  for (let attempt = 0; attempt < 24; attempt++) {
    if (await tour.isVisible()) await tour.dispatchEvent('click')
    await input.focus()
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.insertText(request)
    const response = page.waitForResponse(isCall, { timeout: 5_000 }).catch(() => undefined)
    await page.keyboard.press('ControlOrMeta+Enter')
    const received = await response
    if (received !== undefined) return received
  }
  throw new Error('the console does not send the request')
}

/** Opens the documents of the index in Discover, with a data view that the journey of the first user creates. */
export async function readInDiscover(page: Page, url: string, { index, text }: { index: string; text: string }) {
  const views = '/api/data_views/data_view'
  if ((await callKibana(page, `${views}/${dataView}`)).status === 404) {
    const body = JSON.stringify({ data_view: { id: dataView, title: index } })
    const headers = { 'content-type': 'application/json' }
    const created = await callKibana(page, views, { method: 'POST', headers, body })
    assert.equal(created.status, 200, created.text)
  }
  await page.goto(`${url}/app/discover#/?_a=(dataSource:(dataViewId:${dataView},type:dataView))`)
  await subject(page, 'discoverDocTable').getByText(text).first().waitFor()
}

export async function signOut(page: Page, signedOut: string): Promise<void> {
  await subject(page, 'userMenuButton').click()
  await subject(page, 'logoutLink').click()
  await page.locator(signedOut).waitFor()
}

/** A page of Kibana leads to the sign-in page, not into Kibana. */
export async function openSignedOut(page: Page, url: string, signInPrompt: string): Promise<void> {
  await page.goto(`${url}/app/discover`)
  await page
    .locator(`${signInPrompt}, ${selector('userMenuButton')}`)
    .first()
    .waitFor()
  assert.equal(await subject(page, 'userMenuButton').count(), 0, 'Kibana opens without a sign-in')
}

function subject(page: Page, name: string): Locator {
  return page.locator(selector(name))
}

function selector(name: string): string {
  return `[data-test-subj="${name}"]`
}
