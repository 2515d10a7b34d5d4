import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type BrowserKit, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const html = { 'Content-Type': 'text/html' }
const requests: string[] = []
const upstream = await startUpstream((request, response) => {
  requests.push(`${request.method} ${request.url}`)
  response.writeHead(200, html).end('<title>application</title>')
})
upstream.server.on('upgrade', (request, socket) => {
  requests.push(`WebSocket ${request.url}`)
  socket.destroy()
})
const gateway = await startProxy(upstream.url, {
  flags: { auth_provider: 'static', 'static.username': 'developer' },
})
const application = `http://localhost:${portOf(gateway)}`
const evil = await startUpstream((_request, response) => {
  const form = `<form method=post action="${application}/index/_close"><input type=submit></form>`
  response.writeHead(200, html).end(`<title>evil</title>${form}`)
})
// Without GET: browsers may request icons at any time.
const writes = () => requests.filter((line) => !line.startsWith('GET '))

describe('CSRF in Chromium, with an ambient identity', { skip: skipWithoutChromium() }, () => {
  let kit: BrowserKit

  before(async () => {
    kit = await startBrowser()
  })
  after(() => kit?.stop())

  for (const page of [evil.url, evil.url.replace('127.0.0.1', 'localhost')]) {
    const origin = page === evil.url ? 'another site' : 'another port of the same host'
    test(`a form and a WebSocket on a page from ${origin} do not reach the application`, async () => {
      const context = await kit.open()
      const tab = await context.newPage()
      await tab.goto(page)
      const before = writes()
      const [posted] = await Promise.all([
        tab.waitForResponse(`${application}/index/_close`),
        tab.locator('input[type=submit]').click(),
      ])
      assert.equal(posted.status(), 403)
      await tab.goto(page)
      const ended = await tab.evaluate(
        `new Promise((resolve) => { new WebSocket('${application.replace('http', 'ws')}/ws').onclose = () => resolve('closed') })`,
      )
      assert.equal(ended, 'closed')
      assert.deepEqual(writes(), before)
      await context.close()
    })
  }

  test("the application's own page can send a write and open a WebSocket", async () => {
    const context = await kit.open()
    const tab = await context.newPage()
    await tab.goto(`${application}/app`)
    assert.equal(await tab.evaluate(`fetch('/write', { method: 'POST', body: 'x' }).then((r) => r.status)`), 200)
    await tab.evaluate(
      `new Promise((resolve) => { new WebSocket('${application.replace('http', 'ws')}/ws').onclose = resolve; })`,
    )
    assert.deepEqual(writes().slice(-2), ['POST /write', 'WebSocket /ws'])
    await context.close()
  })
})
