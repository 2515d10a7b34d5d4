import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import {
  createFormTestBed,
  fieldsOf,
  openForm,
  passwords,
  signInWithForm,
  submitForm,
} from '../support/sign-in-form.ts'

const sessionPattern = /__Host-elastauth-session=([A-Za-z0-9_-]{43})/

describe('the sign-in form in proxy mode', async () => {
  const { startProxy, appRequests } = await createFormTestBed()
  const gateway = await startProxy({ flags: { enable_metrics: 'true' } })
  const { url } = gateway

  const sessionOf = (cookies: string) => sessionPattern.exec(cookies)?.[1]
  const setsSession = (response: Response) => response.headers.getSetCookie().some((line) => sessionPattern.test(line))

  test('a navigation is redirected to the form, which signs the user in and leads to the requested page', async () => {
    const agent = createUserAgent()
    const redirect = await agent.request(`${url}/app/discover?q=%22x%22`)
    assert.equal(redirect.status, 302)
    const location = redirect.headers.get('location')!
    assert.equal(location, `${url}/elastauth/login?return_to=%2Fapp%2Fdiscover%3Fq%3D%2522x%2522`)
    assert.deepEqual(redirect.headers.getSetCookie(), [])
    const fields = fieldsOf(await (await agent.request(location)).text())
    fields.set('username', 'alice')
    fields.set('password', passwords.alice)
    const response = await submitForm(agent, url, fields)
    assert.equal(response.status, 303)
    assert.equal(response.headers.get('location'), '/app/discover?q=%22x%22')
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.match(await (await agent.request(`${url}/app`)).text(), /Hello alice/)
    assert.doesNotMatch(appRequests.at(-1)!.headers.cookie ?? '', /elastauth/)
    const cookies = agent.cookies(url)
    assert.match(cookies, /^__Host-elastauth-session=[\w-]{43}$/) // no other cookie is left
  })

  test('the page of the form is not cached, allows no script and no other target, and is recognized by password managers', async () => {
    const response = await createUserAgent().request(`${url}/elastauth/login`)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.match(
      response.headers.get('content-security-policy')!,
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'$/,
    )
    const page = await response.text()
    assert.equal(page.match(/<form /g)?.length, 1)
    assert.match(page, /<form method="post" action="\/elastauth\/login">/)
    assert.match(page, /<input id="username" name="username" value autocomplete="username" [^>]*autofocus>/)
    assert.match(
      page,
      /<input id="password" name="password" value type="password" autocomplete="current-password" required>/,
    )
    assert.doesNotMatch(page, /<script|<a /)
  })

  test('a request that is not a navigation gets 401 in JSON without a cookie or a redirect', async () => {
    for (const headers of [{ 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' }]) {
      const response = await createUserAgent().request(`${url}/api/x`, { headers })
      assert.equal(response.status, 401)
      assert.equal(((await response.json()) as { error: string }).error, 'identity_missing')
      assert.deepEqual(response.headers.getSetCookie(), [])
    }
  })

  test('a wrong password leads back to the form, which says so once and keeps the name', async () => {
    const { agent, response } = await signInWithForm(url, 'alice', { password: 'wrong', returnTo: '/app/x' })
    assert.equal(response.status, 303) // so that reloading the page does not send the password again
    assert.equal(response.headers.get('location'), '/elastauth/login?return_to=%2Fapp%2Fx')
    assert.ok(!setsSession(response))
    const page = await (await agent.request(`${url}/elastauth/login?return_to=%2Fapp%2Fx`)).text()
    assert.match(page, /role="alert">The username or the password is wrong\.</)
    assert.match(page, /name="username" value="alice" aria-describedby="alert"/)
    assert.match(page, /name="password" value [^>]*autofocus/)
    assert.doesNotMatch(page, /wrong"/)
    const reloaded = await (await agent.request(`${url}/elastauth/login?return_to=%2Fapp%2Fx`)).text()
    assert.doesNotMatch(reloaded, /role="alert"|alice/)
    const fields = fieldsOf(page)
    fields.set('password', passwords.alice)
    assert.equal((await submitForm(agent, url, fields)).headers.get('location'), '/app/x')
  })

  test('username enumeration: an unknown user gets the same response and page as a wrong password', async () => {
    const [known, unknown] = await Promise.all(
      ['alice', 'dave'].map(async (username) => {
        const { agent, response } = await signInWithForm(url, username, { password: 'wrong' })
        const page = await (await agent.request(url + response.headers.get('location'))).text()
        const names = [...response.headers.keys()].filter((name) => name !== 'date')
        const text = page.replaceAll(username, 'NAME').replace(/name="state" value="[^"]*"/, '')
        return { status: response.status, location: response.headers.get('location'), names, text }
      }),
    )
    assert.deepEqual(known, unknown)
  })

  test('session fixation: a sign-in creates a session with a new id, and ends the one that the browser had', async () => {
    const attacker = await signInWithForm(url, 'bob', { password: passwords.bob })
    const fixed = sessionOf(attacker.agent.cookies(url))!
    const victim = createUserAgent()
    victim.setCookie(url, '__Host-elastauth-session', fixed)
    await signInWithForm(url, 'alice', { agent: victim })
    assert.notEqual(sessionOf(victim.cookies(url)), fixed)
    assert.match(await (await victim.request(`${url}/app`)).text(), /Hello alice/)
    assert.equal((await attacker.agent.request(`${url}/app`)).status, 302)
  })

  for (const [what, headers] of [
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another host of the same domain', { 'sec-fetch-site': 'same-site' }],
    ['another origin, in a browser without Sec-Fetch-Site', { 'sec-fetch-site': '', origin: 'http://evil.example' }],
    ['an opaque origin', { 'sec-fetch-site': '', origin: 'null' }],
    ['an unknown site', { 'sec-fetch-site': '' }],
  ] as [string, Record<string, string>][]) {
    test(`login CSRF: a form from ${what} gets 403 and no session`, async () => {
      const agent = createUserAgent()
      const fields = await openForm(agent, url)
      fields.set('username', 'alice')
      fields.set('password', passwords.alice)
      const response = await submitForm(agent, url, fields, headers)
      assert.equal(response.status, 403)
      assert.match(await response.text(), /came from another site/)
      assert.ok(!setsSession(response))
    })
  }

  test("login CSRF: the attacker's state in the victim's browser creates no session, and the form is shown again", async () => {
    const fields = await openForm(createUserAgent(), url, '/app/x')
    fields.set('username', 'bob')
    fields.set('password', passwords.bob)
    const victim = createUserAgent()
    const response = await submitForm(victim, url, fields)
    assert.equal(response.status, 303)
    assert.equal(response.headers.get('location'), '/elastauth/login?return_to=%2Fapp%2Fx')
    assert.ok(!setsSession(response))
    assert.match(await (await victim.request(`${url}/elastauth/login`)).text(), /open for too long/)
  })

  test('replay: a form that was submitted before creates no second session', async () => {
    const agent = createUserAgent()
    const fields = await openForm(agent, url)
    fields.set('username', 'alice')
    fields.set('password', passwords.alice)
    const cookies = agent.cookies(url)
    const responses = [
      await submitForm(agent, url, fields),
      await submitForm(createUserAgent(), url, fields, { cookie: cookies }),
    ]
    assert.deepEqual(responses.map(setsSession), [true, false])
  })

  for (const state of ['', 'x', '1.bm90IG91cnMgYXQgYWxsLCBidXQgbG9uZyBlbm91Z2g']) {
    test(`a form with the state "${state}" shows the form again, with the name`, async () => {
      const agent = createUserAgent()
      const response = await submitForm(agent, url, new URLSearchParams({ state, username: '<b>', password: 'x' }))
      assert.equal(response.headers.get('location'), '/elastauth/login')
      assert.match(await (await agent.request(`${url}/elastauth/login`)).text(), /value="&lt;b&gt;"/)
    })
  }

  for (const target of [
    '//evil.example',
    'https://evil.example/',
    '/\\evil.example',
    '/.//evil.example',
    '/elastauth/logout',
    '/a\r\nx: y',
    'javascript:alert(1)',
  ]) {
    test(`open redirect: after the sign-in, return_to=${JSON.stringify(target)} leads to /`, async () => {
      const { response } = await signInWithForm(url, 'alice', { returnTo: target })
      assert.equal(response.headers.get('location'), '/')
    })
  }

  test('open redirect: a field return_to of the form is ignored', async () => {
    const agent = createUserAgent()
    const fields = await openForm(agent, url, '/app/x')
    for (const [name, value] of Object.entries({ username: 'alice', password: passwords.alice }))
      fields.set(name, value)
    fields.set('return_to', 'https://evil.example/')
    assert.equal((await submitForm(agent, url, fields)).headers.get('location'), '/app/x')
  })

  for (const [what, length, status] of [
    ['of 1 MB', 1_000_000, 413],
    ['of 17 KB', 17_000, 413],
    ['of 15 KB', 15_000, 303],
  ] as const) {
    test(`a password ${what} gets ${status}, and the next request on the connection is served`, async () => {
      const { agent, response } = await signInWithForm(url, 'alice', { password: 'x'.repeat(length) })
      assert.equal(response.status, status)
      assert.ok(!setsSession(response))
      assert.equal((await agent.request(`${url}/elastauth/health`)).status, 200)
    })
  }

  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x', '']) {
    test(`a form with the content type "${type}" gets 400 and no session`, async () => {
      const agent = createUserAgent()
      const response = await submitForm(agent, url, await openForm(agent, url), { 'content-type': type })
      assert.equal(response.status, 400)
      assert.ok(!setsSession(response))
    })
  }

  for (const name of ['username', 'password', 'state']) {
    test(`a form with two fields ${name}, or without one, gets 400 and no session`, async () => {
      for (const change of [
        (fields: URLSearchParams) => fields.append(name, 'x'),
        (fields: URLSearchParams) => fields.delete(name),
      ]) {
        const agent = createUserAgent()
        const fields = await openForm(agent, url)
        fields.set('username', 'alice')
        fields.set('password', passwords.alice)
        change(fields)
        const response = await submitForm(agent, url, fields)
        assert.equal(response.status, 400)
        assert.ok(!setsSession(response))
      }
    })
  }

  for (const username of [
    'alice\0',
    ' alice',
    'alice ',
    'ALICE',
    'ａlice',
    'alíce',
    'alice\u200b',
    '',
    'constructor',
    '__proto__',
    'a'.repeat(10_000),
  ]) {
    test(`the name ${JSON.stringify(username.slice(0, 20))} is not the user alice, and gets no session`, async () => {
      const { response } = await signInWithForm(url, username)
      assert.equal(response.status, 303)
      assert.match(response.headers.get('location')!, /^\/elastauth\/login/)
      assert.ok(!setsSession(response))
    })
  }

  test('the form needs https except on localhost, and is not shown otherwise', async () => {
    const agent = createUserAgent()
    for (const target of ['/app', '/elastauth/login']) {
      const response = await agent.request(url + target, { headers: { host: 'kibana.example.com' } })
      assert.equal(response.status, 400)
      assert.match(await response.text(), /Login requires HTTPS/)
      assert.deepEqual(response.headers.getSetCookie(), [])
    }
    const behindTls = {
      host: 'kibana.example.com',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'kibana.example.com',
    }
    assert.equal((await agent.request(`${url}/elastauth/login`, { headers: behindTls })).status, 200)
  })

  test('a sign-out ends the session here only, and its cookie is rejected from then on', async () => {
    const { agent } = await signInWithForm(url)
    const stolen = agent.cookies(url)
    const confirm = await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'cross-site' } })
    assert.match(await confirm.text(), /<p>You will be signed out of this service\.<\/p>/)
    const response = await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    assert.equal(response.status, 200)
    assert.match(await response.text(), /You are signed out/)
    assert.equal(agent.cookies(url), '')
    assert.equal((await createUserAgent().request(`${url}/app`, { headers: { cookie: stolen } })).status, 302)
    const line = await gateway.logged((entry) => entry['event.action'] === 'user_signed_out')
    assert.equal(line['user.name'], 'alice')
  })

  test('a user without a role signs in, gets 403, and can use another account', async () => {
    const { agent } = await signInWithForm(url, 'carol', { password: passwords.carol })
    const response = await agent.request(`${url}/app`)
    assert.equal(response.status, 403)
    assert.match(await response.text(), /Access denied[\s\S]*href="\/elastauth\/logout">Use another account/)
  })

  test('a cross-site write with the session of a form gets 403 (CSRF)', async () => {
    const { agent } = await signInWithForm(url)
    const response = await agent.request(`${url}/app`, {
      body: new URLSearchParams(),
      headers: { 'sec-fetch-site': 'cross-site' },
    })
    assert.equal(response.status, 403)
  })

  test('without a provider, the callback and back-channel logout endpoints do not exist', async () => {
    for (const path of ['callback', 'backchannel-logout'])
      assert.equal((await createUserAgent().request(`${url}/elastauth/${path}`)).status, 404, path)
  })

  test('a sign-in is logged with user, roles and provider, and no password is in the log', async () => {
    await signInWithForm(url)
    const line = await gateway.logged(
      (entry) => entry['event.action'] === 'user_signed_in' && entry['user.name'] === 'alice',
    )
    assert.deepEqual([line['elastauth.provider'], line['user.id']], ['users', 'users:alice'])
    assert.doesNotMatch(gateway.output(), /correct|battery/)
  })
})
