import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { signInAs, skipWithoutChromium, startBrowser } from '../../support/browser.ts'
import { subRequestUrlOf } from '../../support/gateway.ts'
import { createOidcTestBed } from '../../support/oidc/test-bed.ts'
import { caddyWithoutPages, createOidcProxies } from './oidc-proxies.ts'
import { type Running, startRealProxy } from './real-proxy.ts'
import { skipWithout } from './skip-without.ts'

const { nginx, caddy, haproxy, traefik } = createOidcProxies()
const optional = skipWithout(traefik) === false ? [traefik] : []

for (const realProxy of [caddy, caddyWithoutPages, nginx, haproxy, ...optional]) {
  const { name, profile } = realProxy
  const skip = skipWithoutChromium() || skipWithout(realProxy)
  describe(`login in auth-only mode behind ${name}, in Chromium`, { skip }, async () => {
    const { idp, app, appRequests, startForwardAuth } = await createOidcTestBed()
    const gateway = await startForwardAuth({ 'forward_auth.profile': profile, 'forward_auth.listen': '127.0.0.1:0' })
    const subRequestUrl = await subRequestUrlOf(gateway)
    const cleanup = new AsyncDisposableStack()
    let proxy: Running
    let page: Page

    before(async () => {
      const [elastauth, subRequests, kibana] = [gateway.url, subRequestUrl, app.url].map((url) => new URL(url).host)
      const backends = {
        authelia: '',
        elastauth: elastauth!,
        subRequests: subRequests!,
        kibana: kibana!,
        proxySecret: '',
      }
      proxy = await startRealProxy(realProxy, backends, cleanup)
      idp.register(proxy.url)
      const kit = await startBrowser()
      cleanup.defer(kit.stop)
      page = await (await kit.open()).newPage()
    })
    after(() => cleanup.disposeAsync())

    /** Without the icon, which the browser may request at any time. */
    const visits = () => appRequests.filter(({ url }) => url !== '/favicon.ico')
    const heading = () => page.getByRole('heading', { level: 1 }).innerText()

    test('a deep link leads to the provider, and back to its target after the sign-in', async () => {
      await page.goto(`${proxy.url}/app/discover?columns=a,b&q=%22x%20y%22`)
      assert.equal(new URL(page.url()).origin, idp.issuer)
      await signInAs(page, 'alice')
      assert.equal(page.url(), `${proxy.url}/app/discover?columns=a,b&q=%22x%20y%22`)
      assert.equal(await heading(), 'Hello alice')
      await page.goto(`${proxy.url}/app/home`)
      assert.equal(await heading(), 'Hello alice')
    })

    test("a script's request gets 401 without a redirect once the session cookie is gone", async () => {
      const call = `fetch('/api/data').then((r) => [r.status, r.redirected])`
      assert.deepEqual(await page.evaluate(call), [200, false])
      await page.context().clearCookies({ name: '__Host-elastauth-session' })
      const count = visits().length
      assert.deepEqual(await page.evaluate(call), [401, false])
      assert.equal(visits().length, count)
      await page.goto(`${proxy.url}/app/home`) // the session at the provider still exists
      assert.equal(await heading(), 'Hello alice')
    })

    if (realProxy === traefik) {
      test('the application receives no cookie, because Traefik cannot remove a single one', async () => {
        assert.notEqual((await page.context().cookies(proxy.url)).length, 0)
        await page.goto(`${proxy.url}/app/cookies`)
        const { url, headers } = visits().at(-1)!
        assert.deepEqual([url, headers.cookie], ['/app/cookies', undefined])
      })
    } else if (realProxy !== caddyWithoutPages) {
      test('the application receives its own cookies, and not the session cookie', async () => {
        const own = ['sid=its-own', 'other=1']
        const cookie = `__Host-elastauth-session=${(await page.context().cookies(proxy.url))[0]!.value}`
        for (const all of [[cookie, ...own], [...own, cookie], ['sid=its-own', cookie, 'other=1'], [cookie]]) {
          await fetch(`${proxy.url}/app/cookies`, { headers: { cookie: all.join('; ') } })
          const { url, headers } = visits().at(-1)!
          assert.equal(url, '/app/cookies')
          assert.equal(headers.cookie ?? '', all.filter((one) => one !== cookie).join('; '))
        }
      })
    }

    test('a logout ends the session at elastauth and at the provider', async () => {
      if (realProxy === caddyWithoutPages) await page.goto(`${proxy.url}/elastauth/logout`)
      else await page.getByRole('link', { name: 'Log out' }).click()
      await page.getByRole('button', { name: 'Yes, sign me out' }).click()
      await page.goto(`${proxy.url}/app/home`)
      await signInAs(page, 'bob')
      assert.equal(await heading(), 'Hello bob')
    })

    test('a canceled sign-in shows an error page, and no request reaches the application', async () => {
      await page.context().clearCookies()
      const count = visits().length
      await page.goto(`${proxy.url}/app/home`)
      await page.getByRole('button', { name: 'Cancel' }).click()
      assert.equal(await heading(), 'Sign-in failed')
      assert.equal(visits().length, count)
    })
  })
}
