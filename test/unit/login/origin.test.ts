import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { createOwnOriginOf } from '../../../src/auth/own-origin.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { createOriginOf } from '../../../src/login/origin.ts'
import { contextOf } from '../../support/request-context.ts'

const requestWith = (headers: IncomingMessage['headers']) => ({ headers, socket: {} }) as IncomingMessage
const create = (redirectUrl?: string, isTrusted = true, profile: 'generic' | 'nginx' = 'generic') => {
  const originOf = createOriginOf(createOwnOriginOf(redirectUrl, { profile }), true)
  return (request: IncomingMessage) => originOf(contextOf(request, isTrusted))
}
const originBehindProxy = create()
const originOfClient = create(undefined, false)
const proxied = { host: 'internal:5000', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'kibana.example.com' }

describe("elastauth's own origin for logins", () => {
  test("elastauth's own origin is taken from X-Forwarded-Proto, X-Forwarded-Host and Host of a trusted proxy", () => {
    assert.equal(originBehindProxy(requestWith(proxied)), 'https://kibana.example.com')
    assert.equal(
      originBehindProxy(requestWith({ ...proxied, 'x-forwarded-host': 'K.example.com:443' })),
      'https://k.example.com',
    )
    assert.equal(
      originBehindProxy(requestWith({ host: 'k.example.com:8443', 'x-forwarded-proto': 'https' })),
      'https://k.example.com:8443',
    )
  })

  test("elastauth's own origin is not taken from the X-Forwarded headers of an untrusted client", () => {
    assert.throws(() => originOfClient(requestWith(proxied)), { code: 'login_insecure' })
    assert.equal(originOfClient(requestWith({ ...proxied, host: 'localhost:5000' })), 'http://localhost:5000')
  })

  test('the errors about the origin name oidc.redirect_url only if users sign in at a provider', () => {
    const detailOf = (hasProvider: boolean, host: string) => {
      const originOf = createOriginOf(createOwnOriginOf(undefined, { profile: 'generic' }), hasProvider)
      try {
        return originOf(contextOf(requestWith({ host }), false))
      } catch (error) {
        return (error as GatewayError).detail
      }
    }
    for (const host of ['kibana.example.com', '']) {
      assert.match(detailOf(true, host), /, or set oidc\.redirect_url$/)
      assert.doesNotMatch(detailOf(false, host), /oidc/)
    }
  })

  test("elastauth's own origin is that of oidc.redirect_url if it is set, whatever the request contains", () => {
    const originOf = create('https://kibana.example.com/elastauth/callback')
    assert.equal(
      originOf(requestWith({ host: 'evil.example', 'x-forwarded-proto': 'http' })),
      'https://kibana.example.com',
    )
  })

  test("elastauth's own origin with profile nginx is taken from X-Original-URL, or without X-Original-URL from Host and X-Forwarded-Proto", () => {
    const behindNginx = create(undefined, true, 'nginx')
    const forged = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' }
    const original = { host: 'elastauth:5000', 'x-original-url': 'https://kibana.example.com/app' }
    assert.equal(behindNginx(requestWith({ ...original, ...forged })), 'https://kibana.example.com')
    const page = { host: 'kibana.example.com', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example' }
    assert.equal(behindNginx(requestWith(page)), 'https://kibana.example.com')
  })

  for (const host of ['localhost', 'localhost:5000', 'kibana.localhost', '127.0.0.1:5000', '127.8.9.1', '[::1]:5000']) {
    test(`elastauth's own origin is accepted without https for the loopback host ${host}`, () =>
      assert.equal(originOfClient(requestWith({ host })), `http://${host}`))
  }

  for (const host of [
    'kibana.example.com',
    '10.0.0.1',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '[::2]',
    '[::ffff:127.0.0.1]',
  ]) {
    test(`elastauth's own origin is rejected with login_insecure for ${host} without https`, () => {
      assert.throws(() => originOfClient(requestWith({ host })), { code: 'login_insecure' })
    })
  }

  for (const host of ['', 'a b', 'a/b', 'a@b', 'a:b', 'a, b', 'a\\b', 'a?b', 'a#b', '[::1', 'http://a', undefined]) {
    test(`elastauth's own origin is rejected for the invalid host ${JSON.stringify(host)}`, () => {
      const request = requestWith({ ...proxied, 'x-forwarded-host': host, host })
      assert.throws(() => originBehindProxy(request), GatewayError)
    })
  }

  for (const proto of ['https, http', 'javascript', 'https:', 'ftp']) {
    test(`elastauth's own origin is rejected with login_failed for the invalid scheme ${proto}`, () => {
      assert.throws(() => originBehindProxy(requestWith({ ...proxied, 'x-forwarded-proto': proto })), {
        code: 'login_failed',
      })
    })
  }
})
