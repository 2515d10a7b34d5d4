import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { signInAs, skipWithoutChromium, startBrowser } from '../../support/browser.ts'
import { createOidcWorld } from '../../support/oidc/world.ts'
import { whyNotInstalled } from './installed.ts'
import { adapted, configurationFrom } from './page.ts'
import { type Neighbour, type Running, type Surroundings, startNeighbour } from './proxy.ts'

const caddyfile = (port: number, addresses: Readonly<Record<string, string>>, text: string) => ({
  args: ['run', '--config', 'Caddyfile'],
  files: {
    Caddyfile: `{\n admin off\n auto_https off\n default_bind 127.0.0.1\n}\n${adapted(text, {
      ...addresses,
      'kibana.example.com {': `http://127.0.0.1:${port} {`,
    })}`,
  },
})

const caddy: Neighbour = {
  name: 'Caddy',
  program: 'caddy',
  profile: 'generic',
  command: ({ port }, around) => caddyfile(port, addressesOf(around), configurationFrom('../oidc.md', 'caddyfile')),
}

/** No route for `/elastauth/`: all that Caddy does is ask. */
const onlyAsking: Neighbour = {
  ...caddy,
  name: 'Caddy without a route for our pages',
  command: ({ port }, around) =>
    caddyfile(
      port,
      addressesOf(around),
      `kibana.example.com {
  forward_auth elastauth:5000 {
    uri /
    copy_headers Authorization
  }
  reverse_proxy kibana:5601
}`,
    ),
}

const nginx: Neighbour = {
  name: 'nginx',
  program: 'nginx',
  profile: 'nginx',
  command({ directory, port }, around) {
    const page = adapted(configurationFrom('../oidc.md', 'nginx'), {
      ...addressesOf(around),
      'listen 443 ssl;': `listen 127.0.0.1:${port};`,
    })
    const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    const places = kinds.map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')
    const conf = `daemon off; master_process off; pid ${directory}/pid; error_log stderr warn;
      events { worker_connections 512; }
      http { access_log off; ${places} ${page} }`
    const args = ['-p', directory, '-e', 'stderr', '-c', join(directory, 'nginx.conf')]
    return { args, files: { 'nginx.conf': conf } }
  },
}

function addressesOf({ elastauth, kibana }: Surroundings): Record<string, string> {
  return { 'elastauth:5000': elastauth, 'kibana:5601': kibana }
}

for (const neighbour of [caddy, onlyAsking, nginx]) {
  const { name, profile } = neighbour
  const skip = skipWithoutChromium() || whyNotInstalled(neighbour)
  describe(`people log in, in auth-only mode behind ${name}, in Chromium`, { skip }, async () => {
    const { idp, app, reached, startForwardAuth } = await createOidcWorld()
    const gateway = await startForwardAuth({ 'forward_auth.profile': profile })
    const until = new AsyncDisposableStack()
    let proxy: Running
    let page: Page

    before(async () => {
      const [elastauth, kibana] = [gateway, app].map(({ url }) => new URL(url).host)
      const surroundings = { authelia: '', elastauth: elastauth!, kibana: kibana!, proxySecret: '' }
      proxy = await startNeighbour(neighbour, surroundings, until)
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
      assert.equal(await heading(), 'Signing in did not work')
      assert.equal(visits().length, count)
    })
  })
}
