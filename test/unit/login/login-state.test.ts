import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createLoginStates, loginTtlMs } from '../../../src/login/login-state.ts'
import { createSeal } from '../../../src/sessions/seal.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

const secret = '5eed'.padEnd(64, '0')

function create() {
  const clock = createFakeClock(1_790_000_000_000)
  return { clock, attempts: createLoginStates(createSeal([secret], 'login'), secret, clock.now) }
}

describe('an attempt to log in', () => {
  test('comes back as it was begun, once', () => {
    const { attempts } = create()
    const { cookie, binding, ...attempt } = attempts.start(undefined, '/app')
    assert.match(binding, /^[\w-]{22}$/)
    assert.deepEqual(attempts.read(attempt.state), { returnTo: '/app', cookie, canRetry: false })
    assert.deepEqual(attempts.consume(attempt.state, `${cookie}=${binding}`), attempt)
    assert.throws(() => attempts.consume(attempt.state, `${cookie}=${binding}`), { code: 'login_failed' })
  })

  test('is another one each time, down to the nonce', () => {
    const { attempts } = create()
    const [one, two] = [attempts.start(undefined, '/'), attempts.start(undefined, '/')]
    for (const part of ['state', 'nonce', 'verifier', 'binding'] as const) assert.notEqual(one[part], two[part])
    assert.ok(new Set([one.nonce, one.verifier, one.state, one.binding]).size === 4)
    assert.match(one.verifier, /^[\w-]{43}$/) // RFC 7636, 4.1
    assert.match(one.nonce, /^[\w-]{65}$/)
  })

  test('shows nobody where it leads, or what binds it', () => {
    const { attempts } = create()
    const { state, binding } = attempts.start(undefined, '/app/secret-dashboard')
    const bytes = Buffer.from(state.slice(2), 'base64url').toString('latin1')
    assert.ok(!bytes.includes('secret-dashboard') && !state.includes(binding))
  })

  test('is nobody else’s', () => {
    const { attempts } = create()
    const { state, cookie, binding } = attempts.start(undefined, '/')
    const other = attempts.start(undefined, '/')
    for (const cookies of [
      undefined,
      '',
      `${cookie}=`,
      `${cookie}=${other.binding}`,
      `x${cookie}=${binding}`,
      `${cookie}=${binding}; ${cookie}=x`,
    ])
      assert.equal(attempts.consume(state, cookies), undefined, cookies ?? 'none')
    assert.ok(attempts.consume(state, `${cookie}=${binding}`)) // all that has cost it nothing
  })

  test('may be overtaken by another of the same browser, and only the first time', () => {
    const { attempts } = create()
    for (const isSecond of [false, true]) {
      const { state, cookie } = attempts.start(undefined, '/', isSecond)
      assert.equal(attempts.read(state, `${cookie}=another`).canRetry, !isSecond)
      assert.equal(attempts.read(state, 'other=1').canRetry, false)
    }
  })

  test('has an end', async () => {
    const { attempts, clock } = create()
    const { state, cookie, binding } = attempts.start(undefined, '/')
    await clock.advance(loginTtlMs + 1)
    assert.throws(() => attempts.consume(state, `${cookie}=${binding}`), { code: 'login_failed' })
    assert.throws(() => attempts.read(state), { code: 'login_failed' })
  })

  test('is not of our making: nothing, noise, another key’s, a session’s seal', () => {
    const { attempts } = create()
    const elsewhere = createLoginStates(createSeal(['0'.repeat(64)], 'login'), secret, Date.now).start(
      undefined,
      '/',
    ).state
    const session = createSeal([secret], 'session').close('', '{"slot":0,"begun":9e15,"bound":"","returnTo":"/"}')
    for (const state of [null, '', '1.', 'x', '1.AAAA', '2.AAAA', elsewhere, session])
      assert.throws(() => attempts.read(state), { code: 'login_failed' })
  })

  test('takes a cookie that is free, and any when none is', () => {
    const { attempts } = create()
    const cookies: string[] = []
    for (let i = 0; i < 16; i++) cookies.push(`${attempts.start(cookies.join('; '), '/').cookie}=x`)
    assert.equal(new Set(cookies).size, 16)
    assert.ok(cookies.includes(`${attempts.start(cookies.join('; '), '/').cookie}=x`))
  })
})
