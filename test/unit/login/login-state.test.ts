import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createLoginStates, loginTtlMs } from '../../../src/login/login-state.ts'
import { createSeal } from '../../../src/sessions/seal.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

const secret = '5eed'.padEnd(64, '0')

function create() {
  const clock = createFakeClock(1_790_000_000_000)
  return { clock, loginStates: createLoginStates(createSeal([secret], 'login'), secret, clock.now) }
}

describe('login states', () => {
  test('a login state is consumed once, and its replay is rejected with login_failed', () => {
    const { loginStates } = create()
    const { cookie, binding, ...login } = loginStates.start(undefined, '/app')
    assert.match(binding, /^[\w-]{22}$/)
    assert.deepEqual(loginStates.read(login.state), {
      returnTo: '/app',
      cookie,
      canRetry: false,
      isFromOtherReplica: false,
    })
    assert.deepEqual(loginStates.consume(login.state, `${cookie}=${binding}`), login)
    assert.throws(() => loginStates.consume(login.state, `${cookie}=${binding}`), { code: 'login_failed' })
  })

  test('a login state has a new state, nonce, PKCE verifier and binding for each login', () => {
    const { loginStates } = create()
    const [one, two] = [loginStates.start(undefined, '/'), loginStates.start(undefined, '/')]
    for (const part of ['state', 'nonce', 'verifier', 'binding'] as const) assert.notEqual(one[part], two[part])
    assert.ok(new Set([one.nonce, one.verifier, one.state, one.binding]).size === 4)
    assert.match(one.verifier, /^[\w-]{43}$/) // RFC 7636, section 4.1
    assert.match(one.nonce, /^[\w-]{65}$/)
  })

  test('a login state reveals neither the path to return to nor the binding to the browser', () => {
    const { loginStates } = create()
    const { state, binding } = loginStates.start(undefined, '/app/secret-dashboard')
    const bytes = Buffer.from(state.slice(2), 'base64url').toString('latin1')
    assert.ok(!bytes.includes('secret-dashboard') && !state.includes(binding))
  })

  test('a login state is not consumed without the cookie of the browser that began the login, and stays valid', () => {
    const { loginStates } = create()
    const { state, cookie, binding } = loginStates.start(undefined, '/')
    const other = loginStates.start(undefined, '/')
    for (const cookies of [
      undefined,
      '',
      `${cookie}=`,
      `${cookie}=${other.binding}`,
      `x${cookie}=${binding}`,
      `${cookie}=${binding}; ${cookie}=x`,
    ])
      assert.equal(loginStates.consume(state, cookies), undefined, cookies ?? 'none')
    assert.ok(loginStates.consume(state, `${cookie}=${binding}`)) // the failures have not consumed it
  })

  test('a login state tells whether the login began at another replica that runs now, not at a process that ran before', async () => {
    const { clock, loginStates } = create()
    const createReplica = () => createLoginStates(createSeal([secret], 'login'), secret, clock.now)
    const before = loginStates.start(undefined, '/').state
    await clock.advance(1000)
    const other = createReplica()
    assert.equal(other.read(before).isFromOtherReplica, false)
    await clock.advance(1000)
    const { state } = loginStates.start(undefined, '/')
    assert.equal(loginStates.read(state).isFromOtherReplica, false)
    assert.equal(other.read(state).isFromOtherReplica, true)
  })

  test('a login state can be retried once if another login has overwritten its cookie', () => {
    const { loginStates } = create()
    for (const isRetry of [false, true]) {
      const { state, cookie } = loginStates.start(undefined, '/', isRetry)
      assert.equal(loginStates.read(state, `${cookie}=another`).canRetry, !isRetry)
      assert.equal(loginStates.read(state, 'other=1').canRetry, false)
    }
  })

  test('a login state is rejected with login_failed after it has expired', async () => {
    const { loginStates, clock } = create()
    const { state, cookie, binding } = loginStates.start(undefined, '/')
    await clock.advance(loginTtlMs + 1)
    assert.throws(() => loginStates.consume(state, `${cookie}=${binding}`), { code: 'login_failed' })
    assert.throws(() => loginStates.read(state), { code: 'login_failed' })
  })

  test('a login state is rejected with login_failed if it is missing, garbage, sealed with another key, or a sealed session', () => {
    const { loginStates } = create()
    const foreign = createLoginStates(createSeal(['0'.repeat(64)], 'login'), secret, Date.now).start(
      undefined,
      '/',
    ).state
    const session = createSeal([secret], 'session').close('', '{"slot":0,"begun":9e15,"bound":"","returnTo":"/"}')
    for (const state of [null, '', '1.', 'x', '1.AAAA', '2.AAAA', foreign, session])
      assert.throws(() => loginStates.read(state), { code: 'login_failed' })
  })

  test("a login state uses a free cookie, and overwrites another login's cookie if 16 logins have begun", () => {
    const { loginStates } = create()
    const cookies: string[] = []
    for (let i = 0; i < 16; i++) cookies.push(`${loginStates.start(cookies.join('; '), '/').cookie}=x`)
    assert.equal(new Set(cookies).size, 16)
    assert.ok(cookies.includes(`${loginStates.start(cookies.join('; '), '/').cookie}=x`))
  })
})
