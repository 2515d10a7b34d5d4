import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { sendRequest } from './client-request.ts'
import { pages } from './documented-configuration.ts'
import { startFakeAuthelia } from './fake-authelia.ts'
import { listen } from './listen.ts'
import { createHaproxy } from './proxies.ts'
import { startRealProxy } from './real-proxy.ts'
import { sessions } from './sessions.ts'
import { skipWithout } from './skip-without.ts'

const script = readFileSync(join(pages, 'forward-auth.lua'), 'utf8')
const skip = skipWithout(createHaproxy())

describe('when forward-auth.lua fails', { skip }, () => {
  const cleanup = new AsyncDisposableStack()
  after(() => cleanup.disposeAsync())

  for (const [server, condition] of [
    ['Authelia', 'names ~= "Authorization"'],
    ['elastauth', 'names == "Authorization"'],
  ] as const) {
    test(`before its request to ${server}, HAProxy responds with 503 and forwards no request`, async () => {
      const broken = script.replace('local response =', `if ${condition} then error("broken") end\n  $&`)
      assert.notEqual(broken, script)
      let requests = 0
      const kibana = await listen(
        createServer((_, response) => response.end(String(requests++))),
        cleanup,
      )
      const elastauth = await listen(
        createServer((_, response) => response.setHeader('Authorization', 'Basic eDp5').end()),
        cleanup,
      )
      const authelia = await startFakeAuthelia(sessions, cleanup)
      const proxy = await startRealProxy(
        createHaproxy(broken),
        { authelia, elastauth, kibana, proxySecret: 'x' },
        cleanup,
      )
      assert.equal((await sendRequest(proxy, { session: 'bob', lines: ['Authorization: Basic ZTpm'] })).status, 503)
      assert.equal(requests, 0)
    })
  }
})
