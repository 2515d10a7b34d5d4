import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { ask } from './ask.ts'
import { startAuthelia } from './authelia.ts'
import { whyNotInstalled } from './installed.ts'
import { createHaproxy } from './interop.ts'
import { listen } from './listen.ts'
import { pages } from './page.ts'
import { startRealProxy } from './proxy.ts'
import { sessions } from './sessions.ts'

const script = readFileSync(join(pages, 'forward-auth.lua'), 'utf8')
const skip = whyNotInstalled(createHaproxy())

describe('where forward-auth.lua breaks off with an error, HAProxy lets nobody through', { skip }, () => {
  const until = new AsyncDisposableStack()
  after(() => until.disposeAsync())

  for (const [question, condition] of [
    ['to Authelia', 'names ~= "Authorization"'],
    ['to elastauth', 'names == "Authorization"'],
  ] as const) {
    test(`in its question ${question}`, async () => {
      const broken = script.replace('local response =', `if ${condition} then error("broken") end\n  $&`)
      assert.notEqual(broken, script)
      let requests = 0
      const kibana = await listen(
        createServer((_, response) => response.end(String(requests++))),
        until,
      )
      const elastauth = await listen(
        createServer((_, response) => response.setHeader('Authorization', 'Basic eDp5').end()),
        until,
      )
      const authelia = await startAuthelia(sessions, until)
      const proxy = await startRealProxy(
        createHaproxy(broken),
        { authelia, elastauth, kibana, proxySecret: 'x' },
        until,
      )
      assert.equal((await ask(proxy, { session: 'bob', lines: ['Authorization: Basic ZTpm'] })).status, 503)
      assert.equal(requests, 0)
    })
  }
})
