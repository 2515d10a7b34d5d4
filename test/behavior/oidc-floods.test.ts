import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hang } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'

describe('strangers who come back from logins with codes of their own invention, to a provider that hangs over each', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy({ 'oidc.token_validation': 'userinfo' })

  async function invent(): Promise<number> {
    const agent = createUserAgent()
    const begun = await agent.request(`${url}/elastauth/login`)
    const state = new URL(begun.headers.get('location')!).searchParams.get('state')!
    const { status } = await agent.request(
      `${url}/elastauth/callback?${new URLSearchParams({ state, code: 'x', iss: idp.issuer })}`,
    )
    return status
  }

  test('do not stand in the way of those who are known', async () => {
    const { access_token } = await idp.tokensFor('bob')
    const before = idp.calls('token')
    const letGo = idp.intercept('token', hang)
    const strangers = Array.from({ length: 60 }, invent)
    while (idp.calls('token') === before) await new Promise(setImmediate)
    const known = fetch(url, { headers: { authorization: `Bearer ${access_token}` } })
    const first = await Promise.race([known, ...strangers])
    letGo()
    assert.ok(first instanceof Response, `a stranger heard ${first} first`)
    assert.equal(first.status, 200)
    for (const status of await Promise.all(strangers)) assert.ok(status === 503 || status === 400, String(status))
  })
})
