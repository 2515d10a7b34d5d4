import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { passwords, signInWithForm, submitForm, usersEnv } from '../support/sign-in-form.ts'

describe('the sign-in form beside an OpenID provider', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy({ auth_providers: 'oidc,users' }, usersEnv)

  test('a navigation leads to a page with a link to the provider and the form', async () => {
    const agent = createUserAgent()
    const { body, url: page } = await agent.visit(`${url}/app?x=1`)
    assert.equal(page, `${url}/elastauth/login?return_to=%2Fapp%3Fx%3D1`)
    assert.match(body, /<a href="\/elastauth\/login\?with=provider&amp;return_to=%2Fapp%3Fx%3D1">Single sign-on<\/a>/)
    assert.match(body, /name="password"/)
  })

  test('the link leads to the provider at once, and from there to the requested page', async () => {
    const agent = createUserAgent()
    const start = `${url}/elastauth/login?with=provider&return_to=%2Fapp%3Fx%3D1`
    const { url: page, body, trail } = await agent.visit(start, 'alice')
    assert.equal(new URL(trail[1]!).origin, idp.issuer)
    assert.equal(page, `${url}/app?x=1`)
    assert.match(body, /Hello alice/)
  })

  test('the form signs a user in, and the sign-out of that session does not lead to the provider', async () => {
    const { agent } = await signInWithForm(url)
    assert.match(await (await agent.request(`${url}/app`)).text(), /Hello alice/)
    const headers = { 'sec-fetch-site': 'same-origin' }
    const response = await agent.request(`${url}/elastauth/logout`, { headers })
    assert.equal(response.status, 200)
    assert.match(await response.text(), /You are signed out/)
    assert.equal((await agent.request(`${url}/app`)).status, 302)
  })

  test('the sign-out of a session of the provider leads to the provider', async () => {
    const agent = createUserAgent()
    await agent.visit(`${url}/elastauth/login?with=provider`, 'alice')
    const response = await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    assert.equal(response.status, 303)
    assert.equal(new URL(response.headers.get('location')!).origin, idp.issuer)
  })

  test('a sign-in with the form ends the session of the provider that the browser had', async () => {
    const agent = createUserAgent()
    await agent.visit(`${url}/elastauth/login?with=provider`, 'alice')
    const cookie = agent.cookies(url)
    await signInWithForm(url, 'bob', { agent, password: passwords.bob })
    assert.match(await (await agent.request(`${url}/app`)).text(), /Hello bob/)
    assert.equal((await createUserAgent().request(`${url}/app`, { headers: { cookie } })).status, 302)
  })

  test('the state of a sign-in at the provider is accepted in the form of the same browser only, and once', async () => {
    const agent = createUserAgent()
    const redirect = await agent.request(`${url}/elastauth/login?with=provider`)
    const state = new URL(redirect.headers.get('location')!).searchParams.get('state')!
    const fields = new URLSearchParams({ state, username: 'alice', password: passwords.alice })
    const elsewhere = await submitForm(createUserAgent(), url, fields)
    assert.match(elsewhere.headers.get('location')!, /^\/elastauth\/login/)
    assert.equal((await submitForm(agent, url, fields)).headers.get('location'), '/')
    assert.match((await submitForm(agent, url, fields)).headers.get('location')!, /^\/elastauth\/login/)
  })
})
