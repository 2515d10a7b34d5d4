import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { errorPage } from '../../../../src/endpoints/html/error-page.ts'
import { htmlResponse } from '../../../../src/endpoints/html/page.ts'
import { confirmSignOutPage, signedOutPage } from '../../../../src/endpoints/html/sign-out.ts'
import type { GatewayResponse } from '../../../../src/http/response.ts'

const headerOf = ({ headers }: GatewayResponse, name: string) => headers[headers.indexOf(name) + 1] ?? ''
const denied = {
  code: 'no_roles',
  status: 403,
  message: 'None of your groups is mapped to a role',
  requestId: 'id-7',
} as const

test('text and addresses cannot become markup', () => {
  const evil = `<b>'"&`
  const { body } = htmlResponse({
    status: 200,
    heading: evil,
    paragraphs: [evil],
    links: [{ to: evil, text: evil }],
    form: { action: evil, button: evil },
    note: evil,
  })
  assert.doesNotMatch(body, /<b>|'"&(?!\w)/)
  assert.equal(body.split('&lt;b&gt;&#39;&quot;&amp;').length - 1, 8)
})

describe('the policy', () => {
  test('names the one stylesheet by its hash, and allows nothing else', () => {
    const answer = signedOutPage()
    const sheet = /<style>([\s\S]*)<\/style>/.exec(answer.body)![1]!
    const hash = createHash('sha256').update(sheet).digest('base64')
    assert.equal(
      headerOf(answer, 'Content-Security-Policy'),
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    )
    assert.doesNotMatch(answer.body, /<script|https?:|style=|\son\w+=/)
  })

  test('lets the logout’s form lead to the provider, whose path and query stay out of it', () => {
    const policy = headerOf(
      confirmSignOutPage(new URL('http://idp.test:8080/end?x=1; script-src *')),
      'Content-Security-Policy',
    )
    assert.match(policy, /form-action 'self' https: http:\/\/idp\.test:8080; frame-ancestors/)
    assert.doesNotMatch(policy, /script-src/)
  })

  test('lets it lead nowhere else where the provider has no logout', () => {
    assert.match(headerOf(confirmSignOutPage(undefined), 'Content-Security-Policy'), /form-action 'self'; /)
  })
})

describe('an error’s page', () => {
  test('says why access was denied, and has a way to another account where people sign in with us', () => {
    const { status, body } = errorPage({ ...denied, hasLogin: true })
    assert.equal(status, 403)
    assert.match(body, /<h1>Access denied<\/h1>\n<p>None of your groups is mapped to a role\.<\/p>/)
    assert.match(body, /id-7/)
    assert.match(body, /href="\/elastauth\/logout"/)
  })

  test('offers no login where there is none', () => {
    for (const code of ['no_roles', 'identity_missing'] as const)
      assert.doesNotMatch(errorPage({ ...denied, code, hasLogin: false }).body, /\/elastauth\/|<p class="actions">/)
  })

  test('offers to try again where something is down', () => {
    const { body } = errorPage({ ...denied, code: 'elasticsearch_unavailable', status: 503, hasLogin: false })
    assert.match(body, /<a href="">Try again<\/a>/)
  })
})
