import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { pickBlock, readCodeBlocks } from '../acceptance/documentation-page.ts'
import { type BrowserKit, signInAs, skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { createOidcWorld } from '../support/oidc/world.ts'
import { type ReverseProxy, skipWithout, startCaddy, startNginx } from '../support/reverse-proxy.ts'
import { portOf } from '../support/upstream.ts'

const blocks = readCodeBlocks('oidc.md')
type Ports = Readonly<{ proxy: number; gateway: number; app: number }>

/** The page's configuration, with addresses of this machine in it. */
function here(text: string, { gateway, app }: Ports): string {
  return text.replaceAll('elastauth:5000', `127.0.0.1:${gateway}`).replaceAll('kibana:5601', `127.0.0.1:${app}`)
}

const caddyfile = (ports: Ports, text = pickBlock(blocks, 'Caddy')) =>
  `{\nadmin off\nauto_https off\n}\n${here(text, ports).replace('kibana.example.com {', `http://127.0.0.1:${ports.proxy} {\nbind 127.0.0.1`)}`

const nginxConf = (ports: Ports) => `daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
events {}
http {
access_log off; client_body_temp_path body; proxy_temp_path proxy;
fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
${here(pickBlock(blocks, 'nginx'), ports)
  .replace('listen 443 ssl;', `listen 127.0.0.1:${ports.proxy};`)
  .replace('server_name kibana.example.com;', '')}
}`

/** No route for `/elastauth/`: all that Caddy does is ask. */
const askOnly = (ports: Ports) =>
  caddyfile(
    ports,
    `kibana.example.com {
forward_auth elastauth:5000 {
uri /
copy_headers Authorization
}
reverse_proxy kibana:5601
}`,
  )

const settings = [
  { name: 'Caddy', program: 'caddy', profile: 'generic', start: startCaddy, configure: caddyfile },
  {
    name: 'Caddy without a route for our pages',
    program: 'caddy',
    profile: 'generic',
    start: startCaddy,
    configure: askOnly,
  },
  { name: 'nginx', program: 'nginx', profile: 'nginx', start: startNginx, configure: nginxConf },
] as const

for (const { name, program, profile, start, configure } of settings) {
  const skip = skipWithoutChromium() || skipWithout(program)
  describe(`people log in, in auth-only mode behind ${name}, in Chromium`, { skip }, async () => {
    const { idp, app, reached, startForwardAuth } = await createOidcWorld()
    let kit: BrowserKit
    let proxy: ReverseProxy
    let page: Page

    const gateway = await startForwardAuth({ 'forward_auth.profile': profile })
    before(async () => {
      proxy = await start((port) => configure({ proxy: port, gateway: portOf(gateway), app: app.port }))
      idp.register(proxy.url)
      kit = await startBrowser()
      page = await (await kit.open()).newPage()
    })
    after(async () => {
      await kit?.stop()
      await proxy?.stop()
    })
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

    if (configure !== askOnly) {
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
      if (configure === askOnly) await page.goto(`${proxy.url}/elastauth/logout`)
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
      assert.equal(await heading(), 'Signing in did not work')
      assert.equal(visits().length, count)
    })
  })
}
