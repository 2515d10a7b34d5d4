import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { accountPage } from '../../../../src/endpoints/html/account-page.ts'
import { errorPage } from '../../../../src/endpoints/html/error-page.ts'
import { htmlResponse } from '../../../../src/endpoints/html/page.ts'
import { signInPage } from '../../../../src/endpoints/html/sign-in.ts'
import { confirmSignOutPage, signedOutPage } from '../../../../src/endpoints/html/sign-out.ts'
import { errorTable } from '../../../../src/http/errors.ts'
import type { GatewayResponse } from '../../../../src/http/response.ts'

const headerOf = ({ headers }: GatewayResponse, name: string) => headers[headers.indexOf(name) + 1] ?? ''
const denied = {
  code: 'no_roles',
  status: 403,
  message: 'None of your groups is mapped to a role',
  requestId: 'id-7',
} as const

test('texts and URLs of a page are escaped', () => {
  const markup = `<b>'"&`
  const { body } = htmlResponse({
    status: 200,
    heading: markup,
    paragraphs: [markup],
    links: [{ to: markup, text: markup }],
    form: { action: markup, button: markup },
    note: markup,
  })
  assert.doesNotMatch(body, /<b>|'"&(?!\w)/)
  assert.equal(body.split('&lt;b&gt;&#39;&quot;&amp;').length - 1, 8)
})

test('the username that the sign-in page keeps is escaped, and its fields refer to the message', () => {
  const notice = { reason: 'rejected', username: `"><script>alert('&')` } as const
  const { body } = signInPage({ state: '1.x', notice, providerPath: '/elastauth/login?a=1&b="' }, [])
  assert.doesNotMatch(body, /<script|alert\('/)
  assert.match(
    body,
    /value="&quot;&gt;&lt;script&gt;alert\(&#39;&amp;&#39;\)" aria-describedby="alert" aria-invalid="true"/,
  )
  assert.match(body, /href="\/elastauth\/login\?a=1&amp;b=&quot;"/)
})

test('the sign-in page has a link to the provider and a form, or the form alone', () => {
  const both = signInPage({ state: '1.x', notice: undefined, providerPath: '/p' }, []).body
  assert.match(both, /<a href="\/p">Single sign-on<\/a>[\s\S]*<p class="or">or<\/p>[\s\S]*<button>Sign in<\/button>/)
  const alone = signInPage({ state: '1.x', notice: undefined, providerPath: undefined }, []).body
  assert.doesNotMatch(alone, /<a |class="or"/)
  assert.match(alone, /<button>Sign in<\/button>/)
})

const identity = { username: 'ann', groups: ['staff'], provider: 'oidc' }
const now = Date.UTC(2026, 10, 29, 9, 0)
const sessionOf = (id: string, ageMs: number, browser?: string) => ({
  id,
  signedInAt: now - 86_400_000,
  usedAt: now - ageMs,
  browser,
})

describe('the account page', () => {
  test('the account page has the current session first, and buttons whose names for screen readers begin with their text', () => {
    const sessions = [sessionOf('one', 0, 'Firefox on Linux'), sessionOf('two', 90_000, 'Chrome')]
    const { body } = accountPage({ identity, roles: [], denial: undefined, sessions, currentId: 'two', now })
    assert.ok(body.indexOf('Chrome</strong> <em>this session</em>') < body.indexOf('Firefox on Linux'))
    assert.match(
      body,
      /<button name="end" value="one" aria-label="End: Firefox on Linux, Signed in 2026-11-28 09:00 UTC, last used less than a minute ago">End<\/button>/,
    )
    assert.doesNotMatch(body, /value="two"/)
    assert.match(body, /<a href="\/elastauth\/logout">Sign out<\/a>/)
    assert.match(body, /value="others">End all other sessions<\/button> <button name="end" value="all">/)
  })

  test('the account page says how long ago a session was used, and what is unknown of a session of an older release', () => {
    const ages: [number, string][] = [
      [59_000, 'less than a minute ago'],
      [60_000, '1 minute ago'],
      [3_599_000, '59 minutes ago'],
      [7_200_000, '2 hours ago'],
      [86_400_000, '1 day ago'],
      [-5000, 'less than a minute ago'],
    ]
    for (const [ageMs, text] of ages) {
      const { body } = accountPage({ identity, roles: [], denial: undefined, sessions: [sessionOf('x', ageMs)], now })
      assert.ok(body.includes(`last used ${text}`), text)
    }
    const unknown = { id: 'x', signedInAt: undefined, usedAt: undefined, browser: undefined }
    const { body } = accountPage({ identity, roles: [], denial: undefined, sessions: [unknown], now })
    assert.match(body, /<strong>Unknown browser<\/strong><small>Sign-in unknown, last used unknown<\/small>/)
  })

  test('the account page without sessions has no form, and a session in a list is escaped', () => {
    const none = accountPage({ identity, roles: [], denial: undefined })
    assert.doesNotMatch(none.body, /<form|session/)
    assert.match(headerOf(none, 'Content-Security-Policy'), /form-action 'none'/)
    const markup = `<b>'"&`
    const sessions = [sessionOf(markup, 0, markup)]
    const { body } = accountPage({ identity, roles: [], denial: undefined, sessions, currentId: undefined, now })
    assert.doesNotMatch(body, /<b>|'"&(?!\w)/)
  })

  test('the account page shows 100 of 1,000 sessions, the current one among them, and says so', () => {
    const sessions = Array.from({ length: 1000 }, (_, i) => sessionOf(`id-${i}`, i * 1000))
    const { body } = accountPage({ identity, roles: [], denial: undefined, sessions, currentId: 'id-999', now })
    assert.match(body, /100 of your 1000 sessions/)
    assert.equal(body.match(/<li>/g)?.length, 100)
    assert.match(body, /this session/)
  })
})

describe('the Content-Security-Policy of a page', () => {
  test("a page's Content-Security-Policy allows the inlined stylesheet by its hash, and nothing else", () => {
    const response = signedOutPage()
    const sheet = /<style>([\s\S]*)<\/style>/.exec(response.body)![1]!
    const hash = createHash('sha256').update(sheet).digest('base64')
    assert.equal(
      headerOf(response, 'Content-Security-Policy'),
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    )
    assert.doesNotMatch(response.body, /<script|https?:|style=|\son\w+=/)
  })

  test("the Content-Security-Policy allows the logout form to redirect to the provider's origin, without path and query", () => {
    const policy = headerOf(
      confirmSignOutPage(new URL('http://idp.test:8080/end?x=1; script-src *')),
      'Content-Security-Policy',
    )
    assert.match(policy, /form-action 'self' https: http:\/\/idp\.test:8080; frame-ancestors/)
    assert.doesNotMatch(policy, /script-src/)
  })

  test('the Content-Security-Policy allows the logout form to redirect only to elastauth if the provider has no logout', () => {
    assert.match(headerOf(confirmSignOutPage(undefined), 'Content-Security-Policy'), /form-action 'self'; /)
  })
})

describe('an error page', () => {
  test('an error page says why access was denied, and links to the logout if users sign in at elastauth', () => {
    const { status, body } = errorPage({ ...denied, hasLogin: true })
    assert.equal(status, 403)
    assert.match(body, /<h1>Access denied<\/h1>\n<p>None of your groups is mapped to a role\.<\/p>/)
    assert.match(body, /id-7/)
    assert.match(body, /href="\/elastauth\/logout"/)
  })

  test('the error page of a denied user names the account, and other error pages do not', () => {
    const username = '<bob>@example.com'
    for (const code of ['no_roles', 'group_denied', 'user_disabled'] as const)
      assert.match(errorPage({ ...denied, code, username, hasLogin: true }).body, /as &lt;bob&gt;@example\.com\./)
    for (const [code, status] of [
      ['login_denied', 403],
      ['cross_site', 403],
      ['internal', 500],
    ] as const)
      assert.doesNotMatch(errorPage({ ...denied, code, status, username, hasLogin: true }).body, /bob/)
  })

  test('an error page has no links to login and logout if users do not sign in at elastauth', () => {
    for (const code of ['no_roles', 'identity_missing'] as const)
      assert.doesNotMatch(errorPage({ ...denied, code, hasLogin: false }).body, /\/elastauth\/|<p class="actions">/)
  })

  test("the page for an administrator's fault does not say that it is temporary, but who has to fix it", () => {
    for (const code of ['provider_rejected', 'elasticsearch_rejected', 'key_conflict', 'internal'] as const) {
      const { body } = errorPage({ ...denied, code, status: errorTable[code].status, hasLogin: true })
      assert.doesNotMatch(body, /temporary/, code)
      assert.match(body, /The administrator of this service has to fix this/, code)
    }
  })

  test('an error page shows the support text escaped, and a support link as a link, but never a script', () => {
    const bodyWith = (support: string) => errorPage({ ...denied, hasLogin: true, support }).body
    assert.match(bodyWith('Call <b>123</b>'), /<p>Call &lt;b&gt;123&lt;\/b&gt;<\/p>/)
    assert.match(
      bodyWith('https://help.example/?a=1&b'),
      /<a href="https:\/\/help\.example\/\?a=1&amp;b">Contact support<\/a>/,
    )
    assert.match(bodyWith('mailto:help@example.com'), /<a href="mailto:help@example\.com">Contact support<\/a>/)
    assert.doesNotMatch(bodyWith('javascript:alert(1)'), /href="javascript/i)
  })

  test('the page for an unknown address links to the start page', () => {
    const { body } = errorPage({ ...denied, code: 'not_found', status: 404, hasLogin: false })
    assert.match(body, /<a href="\/">Go to the start page<\/a>/)
  })

  test('an error page has a link to try again if a service is unavailable', () => {
    const { body } = errorPage({ ...denied, code: 'elasticsearch_unavailable', status: 503, hasLogin: false })
    assert.match(body, /<a href="">Try again<\/a>/)
  })
})
