import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createGate } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'

describe('callbacks with invented codes, at a provider whose token endpoint does not respond', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy({ 'oidc.token_validation': 'userinfo', 'oidc.timeout': '1m' })

  /** The status of a callback with an invented code. */
  async function sendInventedCode(): Promise<number> {
    const agent = createUserAgent()
    const redirect = await agent.request(`${url}/elastauth/login`)
    const state = new URL(redirect.headers.get('location')!).searchParams.get('state')!
    const { status } = await agent.request(
      `${url}/elastauth/callback?${new URLSearchParams({ state, code: 'x', iss: idp.issuer })}`,
    )
    return status
  }

  test('60 callbacks with invented codes do not delay a request with a valid token', async () => {
    const { access_token } = await idp.tokensFor('bob')
    const before = idp.calls('token')
    const { gate, open } = createGate()
    idp.intercept('token', gate)
    const callbacks = Array.from({ length: 60 }, sendInventedCode)
    while (idp.calls('token') === before) await new Promise(setImmediate)
    const request = fetch(url, { headers: { authorization: `Bearer ${access_token}` } })
    const first = await Promise.race([request, ...callbacks])
    open()
    assert.ok(first instanceof Response, `a callback got ${first} first`)
    assert.equal(first.status, 200)
    for (const status of await Promise.all(callbacks)) assert.ok(status === 503 || status === 400, String(status))
  })
})
