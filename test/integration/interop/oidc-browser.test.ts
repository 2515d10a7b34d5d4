import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { signInAs, skipWithoutChromium, startBrowser } from '../../support/browser.ts'
import { subRequestUrlOf } from '../../support/gateway.ts'
import { createOidcTestBed } from '../../support/oidc/test-bed.ts'
import { whyNotInstalled } from './installed.ts'
import { createOidcProxies, onlyAsking } from './oidc-interop.ts'
import { type Running, startRealProxy } from './proxy.ts'

const { nginx, caddy, haproxy } = createOidcProxies()

for (const neighbour of [caddy, onlyAsking, nginx, haproxy]) {
  const { name, profile } = neighbour
  const skip = skipWithoutChromium() || whyNotInstalled(neighbour)
  describe(`people log in, in auth-only mode behind ${name}, in Chromium`, { skip }, async () => {
    const { idp, app, reached, startForwardAuth } = await createOidcTestBed()
    const gateway = await startForwardAuth({ 'forward_auth.profile': profile, 'forward_auth.listen': '127.0.0.1:0' })
    const subRequestUrl = await subRequestUrlOf(gateway)
    const until = new AsyncDisposableStack()
    let proxy: Running
    let page: Page

    before(async () => {
      const [elastauth, subRequests, kibana] = [gateway.url, subRequestUrl, app.url].map((url) => new URL(url).host)
      const surroundings = {
        authelia: '',
        elastauth: elastauth!,
        subRequests: subRequests!,
        kibana: kibana!,
        proxySecret: '',
      }
      proxy = await startRealProxy(neighbour, surroundings, until)
      idp.register(proxy.url)
      const kit = await startBrowser()
      until.defer(kit.stop)
      page = await (await kit.open()).newPage()
    })
    after(() => until.disposeAsync())

    /** Without the icon, which the browser asks for when it likes. */
    const visits = () => reached.filter(({ url }) => url !== '/favicon.ico')
    const heading = () => page.getByRole('heading', { level: 1 }).innerText()

    test('a deep link leads to the provider, and from there to where it pointed', async () => {
      await page.goto(`${proxy.url}/app/discover?columns=a,b&q=%22x%20y%22`)
      assert.equal(new URL(page.url()).origin, idp.issuer)
      await signInAs(page, 'alice')
      assert.equal(page.url(), `${proxy.url}/app/discover?columns=a,b&q=%22x%20y%22`)
      assert.equal(await heading(), 'Hello alice')
      await page.goto(`${proxy.url}/app/home`)
      assert.equal(await heading(), 'Hello alice')
    })

    test('a script’s call hears 401 once the session is gone, and is led nowhere', async () => {
      const call = `fetch('/api/data').then((r) => [r.status, r.redirected])`
      assert.deepEqual(await page.evaluate(call), [200, false])
      await page.context().clearCookies({ name: '__Host-elastauth-session' })
      const count = visits().length
      assert.deepEqual(await page.evaluate(call), [401, false])
      assert.equal(visits().length, count)
      await page.goto(`${proxy.url}/app/home`) // the provider still knows her
      assert.equal(await heading(), 'Hello alice')
    })

    if (neighbour !== onlyAsking) {
      test('the application sees its own cookies, and not ours', async () => {
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

    test('who logs out is out, here and at the provider', async () => {
      if (neighbour === onlyAsking) await page.goto(`${proxy.url}/elastauth/logout`)
      else await page.getByRole('link', { name: 'Log out' }).click()
      await page.getByRole('button', { name: 'Yes, sign me out' }).click()
      await page.goto(`${proxy.url}/app/home`)
      await signInAs(page, 'bob')
      assert.equal(await heading(), 'Hello bob')
    })

    test('who thinks better of it sees a page that says so, and lets nobody through', async () => {
      await page.context().clearCookies()
      const count = visits().length
      await page.goto(`${proxy.url}/app/home`)
      await page.getByRole('button', { name: 'Cancel' }).click()
      assert.equal(await heading(), 'Sign-in failed')
      assert.equal(visits().length, count)
    })
  })
}
