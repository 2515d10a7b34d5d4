import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { type ErrorCode, errorTable, GatewayError } from '../../../src/http/errors.ts'
import { serializeResponse } from '../../../src/http/response.ts'
import { createRenderError, type ForwardAuthProfile } from '../../../src/server/error-response.ts'

const detail = 'a private detail about hunter2'

type Options = { accept?: string; profile?: ForwardAuthProfile }

function renderError(code: ErrorCode, { accept, profile = 'generic' }: Options = {}) {
  const request = { headers: accept === undefined ? {} : { accept } } as IncomingMessage
  const error = new GatewayError(code, detail, { username: 'bob' })
  const { status, headers, body, username } = createRenderError(profile)(request, error, 'id-7')
  const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]!] as [string, string]] : []))
  assert.equal(new Set(pairs.map(([name]) => name.toLowerCase())).size, pairs.length, 'no duplicate headers')
  return { status, headers: new Headers(pairs), text: body, username }
}

describe('the error response', () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    test(`the error response for ${code} is JSON with only the public part`, () => {
      const { status, headers, text } = renderError(code)
      assert.equal(status, errorTable[code].status)
      assert.deepEqual(JSON.parse(text), { error: code, message: errorTable[code].message, request_id: 'id-7' })
      assert.equal(headers.get('content-type'), 'application/json; charset=utf-8')
      assert.equal(headers.get('cache-control'), 'no-store')
      assert.doesNotMatch(text, /hunter2|bob/)
      assert.equal(headers.get('authorization'), null)
    })

    test(`the error response for ${code} can be serialized for a connection without a response object`, () => {
      const error = new GatewayError(code, detail)
      const raw = serializeResponse(createRenderError('generic')({ headers: {} }, error, 'id-7'))
      const [head = '', body = ''] = raw.split('\r\n\r\n')
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${errorTable[code].status} [ -~]*\r\n`))
      assert.match(head, new RegExp(`\r\nContent-Length: ${Buffer.byteLength(body)}(\r\n|$)`))
      assert.match(head, /\r\nConnection: close/)
      assert.deepEqual(JSON.parse(body), { error: code, message: errorTable[code].message, request_id: 'id-7' })
    })
  }
})

describe('an error response is HTML only if the client prefers it', () => {
  const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  const rows: [string | undefined, boolean][] = [
    [browser, true],
    ['text/html', true],
    ['TEXT/HTML;q=0.9', true],
    [' text/html ; charset=utf-8', true],
    ['application/xhtml+xml,text/html', true],
    ['application/json', false],
    ['application/json, text/html', false],
    ['*/*', false],
    ['', false],
    [undefined, false],
    ['text/htmlx', false],
    ['text/plain', false],
  ]
  for (const [accept, isPage] of rows) {
    test(`an error response is ${isPage ? 'HTML' : 'JSON'} for Accept: ${accept}`, () => {
      const { headers, text } = renderError('no_roles', accept === undefined ? {} : { accept })
      assert.equal(headers.get('content-type'), isPage ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8')
      assert.equal(text.startsWith('<!doctype html>'), isPage)
    })
  }

  test('an error page contains the message and the request id, and no script', () => {
    const { status, headers, text } = renderError('no_roles', { accept: browser })
    assert.equal(status, 403)
    assert.ok(text.includes(errorTable.no_roles.message) && text.includes('id-7'))
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none';.*frame-ancestors 'none'/)
    assert.doesNotMatch(text, /<script|https?:|hunter2/)
    assert.doesNotMatch(renderError('internal', { accept: browser }).text, /<script|https?:|hunter2|bob/)
  })
})

describe('the headers of an error response', () => {
  test('an error response has Retry-After for a temporary error only', () => {
    assert.equal(renderError('elasticsearch_unavailable').headers.get('retry-after'), '5')
    assert.equal(renderError('elasticsearch_rejected').headers.get('retry-after'), null)
  })

  test('an error response with 405 has Allow', () => {
    const error = new GatewayError('method_not_allowed', detail, { allow: ['POST'] })
    const { headers } = createRenderError('generic')({ headers: {} }, error, 'id-7')
    assert.equal(headers[headers.indexOf('Allow') + 1], 'POST')
  })

  test('an error response has the length of its body in bytes', () => {
    for (const options of [{}, { accept: 'text/html' }]) {
      const { headers, text } = renderError('internal', options)
      assert.equal(headers.get('content-length'), String(Buffer.byteLength(text)))
    }
  })
})

test('the username of an error is for the log and the page of a denied user, and is not in a JSON response', () => {
  const { username, text, headers } = renderError('no_roles')
  assert.equal(username, 'bob')
  assert.doesNotMatch(text + [...headers].join(), /bob/)
})

describe('error responses with profile nginx', () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const { status } = errorTable[code]
    const expected = [400, 404, 429, 431].includes(status) ? 403 : status
    test(`with profile nginx, the status for ${code} is ${expected}`, () =>
      assert.equal(renderError(code, { profile: 'nginx' }).status, expected))
  }

  test('with profile nginx, the error code in the body does not change', () => {
    assert.equal(JSON.parse(renderError('identity_invalid', { profile: 'nginx' }).text).error, 'identity_invalid')
  })
})
