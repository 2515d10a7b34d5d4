import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'

const { idp, appRequests, startProxy, startForwardAuth } = await createOidcTestBed()

describe('a cookie that a neighbouring host has set for the whole domain', async () => {
  const { url } = await startProxy()

  test('brings no session of the attacker’s inside its value', async () => {
    const mallory = createUserAgent()
    await mallory.visit(`${url}/app`, 'bob')
    for (const separator of [' ', ', ', '\t', '" ']) {
      const cookie = `theme=dark${separator}${mallory.cookies(url)}`
      const response = await createUserAgent().request(`${url}/app`, { headers: { cookie } })
      assert.equal(response.status, 302, JSON.stringify(separator))
    }
  })

  test('brings no login that the attacker has begun inside its value', async () => {
    const mallory = createUserAgent()
    const { url: callback } = await mallory.visit(`${url}/app`, 'bob', (to) => to.includes('/callback'))
    const cookie = `theme=dark ${mallory.cookies(url)}`
    const response = await createUserAgent().request(callback, { headers: { cookie } })
    assert.equal(response.status, 400)
    assert.deepEqual(response.headers.getSetCookie(), [])
  })

  test('does not put anybody out either', async () => {
    const alice = createUserAgent()
    await alice.visit(`${url}/app`, 'alice')
    const cookie = `${alice.cookies(url)}; theme=dark __Host-elastauth-session=${'x'.repeat(43)}`
    const response = await alice.request(`${url}/app`, { headers: { cookie } })
    assert.equal(response.status, 200)
  })
})

describe('a token in a cookie that another site’s page makes the browser send', async () => {
  const { url } = await startProxy()
  const { url: asked } = await startForwardAuth()
  const cookie = `access_token=${await idp.sign()}`
  const evil = 'https://evil.example'

  test('without Sec-Fetch-Site, Origin tells: nothing is written', async () => {
    for (const origin of [evil, 'null']) {
      const before = appRequests.length
      const response = await fetch(`${url}/_bulk`, { method: 'POST', headers: { cookie, origin }, body: '{}' })
      assert.equal(response.status, 403)
      assert.equal(appRequests.length, before)
    }
    const own = await fetch(`${url}/_bulk`, { method: 'POST', headers: { cookie, origin: url }, body: '{}' })
    assert.equal(own.status, 200)
  })

  test('no WebSocket is opened', async () => {
    const { host, port } = new URL(url)
    const connection = openRaw(Number(port))
    const words = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: a2V5', 'Sec-WebSocket-Version: 13']
    connection.send(
      ['GET /ws HTTP/1.1', `Host: ${host}`, ...words, `Origin: ${evil}`, `Cookie: ${cookie}`, '', ''].join('\r\n'),
    )
    assert.match(await connection.closed, /^HTTP\/1.1 403 [\s\S]*"cross_site"/)
  })

  test('nor is one where the proxy before us takes Upgrade away', async () => {
    const proxied = {
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'kibana.example.com',
      'sec-websocket-key': 'a2V5',
    }
    for (const from of [{ origin: evil }, { 'sec-fetch-site': 'cross-site', origin: evil }] as Record<
      string,
      string
    >[]) {
      const response = await fetch(asked, { headers: { cookie, ...proxied, ...from } })
      assert.equal(response.status, 403)
      assert.equal(response.headers.get('authorization'), null)
    }
    const own = await fetch(asked, { headers: { cookie, ...proxied, origin: 'https://kibana.example.com' } })
    assert.equal(own.status, 200)
  })
})

describe('a token that a client puts into a header itself', async () => {
  const flags = { 'oidc.token_header': 'X-Token' }
  const [{ url }, { url: forwardAuth }] = await Promise.all([startProxy(flags), startForwardAuth(flags)])
  const token = await idp.sign()
  const crossSite = { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' }

  test('is accepted with a cross-site write: no other page can add it', async () => {
    for (const header of [{ authorization: `Bearer ${token}` }, { 'x-token': token }] as Record<string, string>[]) {
      const headers = { ...header, ...crossSite }
      assert.equal((await fetch(`${url}/_bulk`, { method: 'POST', headers, body: '{}' })).status, 200)
      assert.equal((await fetch(forwardAuth, { headers: { ...headers, 'x-forwarded-method': 'POST' } })).status, 200)
    }
  })
})

describe('a picture in a dashboard whose address is the logout', async () => {
  const { url } = await startProxy()

  test('signs nobody out', async () => {
    const alice = createUserAgent()
    await alice.visit(`${url}/app`, 'alice')
    const headers = {
      'sec-fetch-site': 'same-origin',
      'sec-fetch-mode': 'no-cors',
      'sec-fetch-dest': 'image',
      accept: 'image/*',
    }
    await alice.request(`${url}/elastauth/logout`, { headers })
    assert.equal((await alice.request(`${url}/app`)).status, 200)
  })
})

describe('the address of a logout at the provider, found by somebody else', async () => {
  const { url } = await startProxy({ trusted_proxies: 'none' })

  test('logs nobody in: its hint is no token for us', async () => {
    const alice = createUserAgent()
    await alice.visit(`${url}/app`, 'alice')
    const out = await alice.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    const hint = new URL(out.headers.get('location')!).searchParams.get('id_token_hint')
    const authorization = `Bearer ${hint}`
    assert.equal((await fetch(url, { headers: { authorization } })).status, 401)
    assert.equal((await fetch(url, { headers: { cookie: `id_token=${hint}` } })).status, 401)
    // An ID token that another application of the same client got is one, as before.
    const theirs = `Bearer ${await idp.sign({ nonce: 'n-0S6_WzA2Mj'.padEnd(65, 'x') })}`
    assert.equal((await fetch(url, { headers: { authorization: theirs } })).status, 200)
  })
})
