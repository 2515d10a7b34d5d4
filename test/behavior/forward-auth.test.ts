import assert from 'node:assert/strict'
import { test } from 'node:test'
import { otherTargets, spellingsOf } from '../conformance/spellings.ts'
import { exchange, headersOf, openRaw, type RawResponse } from '../support/raw-http.ts'
import { parseBasic } from './credential.ts'
import { createFixture } from './fixture.ts'

const { start, logIn } = await createFixture()
const gateway = await start()
const { url } = gateway
const nginx = await start({ flags: { 'forward_auth.profile': 'nginx' } })
const asBob = ['Host: elastauth', 'Remote-User: bob']

function assertIsBob(response: RawResponse): void {
  assert.equal(response.status, 200, response.head)
  const authorizations = headersOf(response, 'authorization')
  assert.equal(authorizations.length, 1, response.head)
  assert.equal(parseBasic(authorizations[0]).username, 'bob')
  assert.deepEqual(headersOf(response, 'cache-control'), ['no-store'])
}

for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'M-SEARCH', 'TRACE']) {
  test(`a sub-request with ${method} gets the same response as with GET`, async () => {
    assertIsBob(await exchange(url, [`${method} / HTTP/1.1`, ...asBob]))
    assert.equal((await exchange(url, [`${method} / HTTP/1.1`, 'Host: elastauth'])).status, 401)
  })
}

for (const target of ['/', '/?', '/?x=1&y=/elastauth/health', '/elastauth', '/elastauth?a=/elastauth/health']) {
  test(`the target ${target} is a sub-request`, async () => {
    assertIsBob(await exchange(url, [`GET ${target} HTTP/1.1`, ...asBob]))
    assert.equal((await exchange(url, [`GET ${target} HTTP/1.1`, 'Host: elastauth'])).status, 401)
  })
}

const startPage = '/elastauth/'

for (const target of [...spellingsOf('elastauth'), ...otherTargets].filter((other) => other !== startPage)) {
  test(`the target ${target.slice(0, 40)} is not a sub-request, and gets 404 (403 for nginx) without a credential`, async () => {
    for (const [listener, status] of [
      [url, 404],
      [nginx.url, 403],
    ] as const) {
      const response = await exchange(listener, [`GET ${target} HTTP/1.1`, ...asBob])
      assert.deepEqual([response.status, headersOf(response, 'authorization')], [status, []], response.head)
      assert.equal(JSON.parse(response.body).error, 'not_found')
    }
  })
}

test('the target /elastauth/ is not a sub-request, and redirects to the start page without a credential', async () => {
  for (const listener of [url, nginx.url]) {
    const response = await exchange(listener, [`GET ${startPage} HTTP/1.1`, ...asBob])
    assert.deepEqual(
      [response.status, headersOf(response, 'authorization'), headersOf(response, 'location')],
      [303, [], ['/elastauth/start']],
      response.head,
    )
  }
})

test('OPTIONS * is not a sub-request, and gets 404', async () => {
  assert.equal((await exchange(url, ['OPTIONS * HTTP/1.1', ...asBob])).status, 404)
})

test('a rejected path is logged in one line, with the path and how to fix the proxy', async () => {
  await exchange(url, ['GET /verify?token=hidden HTTP/1.1', ...asBob])
  const line = await gateway.logged(({ message = '' }) => message.startsWith('GET /verify 404 '))
  assert.equal(
    line.message,
    "GET /verify 404 sub-requests are answered on / only: point the proxy's auth address there, or set forward_auth.path_prefix",
  )
  assert.deepEqual([line['error.code'], line['log.level']], ['not_found', 'info'])
})

test('the response to HEAD has no body, and the next pipelined response follows it', async () => {
  const connection = openRaw(url)
  connection.sendLines('HEAD / HTTP/1.1', ...asBob, '', 'GET / HTTP/1.1', ...asBob, '')
  assertIsBob(await connection.readResponse({ isHead: true }))
  const second = await connection.readResponse()
  assertIsBob(second)
  assert.equal(JSON.parse(second.body).username, 'bob')
  connection.socket.destroy()
})

test('the response to a sub-request does not wait for the request body, and the connection serves the next request', async () => {
  const connection = openRaw(url)
  connection.sendLines('POST / HTTP/1.1', ...asBob, 'Content-Length: 300000', '', Buffer.alloc(100_000, 'a'))
  assertIsBob(await connection.readResponse())
  connection.sendLines(Buffer.alloc(200_000, 'a'), 'GET / HTTP/1.1', ...asBob, '')
  assertIsBob(await connection.readResponse())
  connection.socket.destroy()
})

test('a request with a body of 100 MB and Expect: 100-continue gets 200 without 100 Continue', async () => {
  const length = `Content-Length: ${100 * 1024 * 1024}`
  const response = await exchange(url, ['PUT / HTTP/1.1', ...asBob, length, 'Expect: 100-continue'])
  assertIsBob(response)
  assert.match(response.head, /^HTTP\/1\.1 200 /)
})

test('the connection closes after a request with Expect: 100-continue, so that a later request is not read as its body', async () => {
  const connection = openRaw(url)
  connection.sendLines('PUT / HTTP/1.1', ...asBob, 'Content-Length: 1000', 'Expect: 100-continue', '')
  const response = await connection.readResponse()
  assertIsBob(response)
  // RFC 9110, section 10.1.1: a final response before the body either closes the connection or is followed by reading the body.
  assert.deepEqual(headersOf(response, 'connection'), ['close'])
  connection.socket.destroy()
})

test('an HTTP/1.0 request gets its response, and the connection closes', async () => {
  const connection = openRaw(url)
  connection.sendLines('GET / HTTP/1.0', 'Remote-User: bob', '')
  assertIsBob(await connection.readResponse())
  assert.equal(await connection.closed, '')
})

test('a sub-request with the headers of a WebSocket handshake gets 200', async () => {
  assertIsBob(await exchange(url, ['GET / HTTP/1.1', ...asBob, 'Connection: Upgrade', 'Upgrade: websocket']))
})

test("the client's own Authorization is neither used nor sent back", async () => {
  const own = `Basic ${Buffer.from('elastic:changeme').toString('base64')}`
  const response = await exchange(url, [
    'GET / HTTP/1.1',
    ...asBob,
    `Authorization: ${own}`,
    'authorization: Bearer a-token-of-the-client',
  ])
  assertIsBob(response)
  assert.ok(!`${response.head}${response.body}`.includes(own) && !response.head.includes('a-token-of-the-client'))
  const alone = await exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', `Authorization: ${own}`])
  assert.equal(alone.status, 401)
  assert.ok(!`${alone.head}${alone.body}`.includes(own))
})

test('the response headers of a sub-request fit into 4 KB, even for the longest username', async () => {
  const username = 'u'.repeat(255)
  const response = await exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', `Remote-User: ${username}`])
  assert.equal(response.status, 200)
  assert.ok(response.head.length < 4096, String(response.head.length))
  assert.equal((await logIn(headersOf(response, 'authorization')[0])).body.username, username)
})

test('the response body of a sub-request contains the identity and no credential', async () => {
  const headers = ['Remote-Groups: admins, users', 'Remote-Email: bob@example.com', 'Remote-Name: Bob']
  const response = await exchange(url, ['GET / HTTP/1.1', ...asBob, ...headers])
  const authorization = headersOf(response, 'authorization')[0]
  const { password } = parseBasic(authorization)
  const { message, username, groups, email, name, ...rest } = JSON.parse(response.body)
  assert.equal(message, 'Authentication successful')
  assert.deepEqual([username, groups, email, name], ['bob', ['admins', 'users'], 'bob@example.com', 'Bob'])
  assert.deepEqual(rest, {})
  assert.ok(!response.body.includes(password))
  assert.equal((await logIn(authorization)).status, 200)
})

test('a rejection is an HTML page for browsers, and JSON for other clients', async () => {
  const browser = await fetch(url, { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
  assert.match(await browser.text(), /<!doctype html>.*Authentication required/s)
  const { error, message, request_id } = (await (await fetch(url)).json()) as Record<string, string>
  assert.deepEqual([error, message], ['identity_missing', 'Authentication required'])
  assert.match(request_id!, /^[0-9a-f]{12}-/)
})

test('with forward_auth.profile nginx, a sub-request gets 403 instead of 400, and 401 is unchanged', async () => {
  const duplicate = ['GET / HTTP/1.1', ...asBob, 'Remote-User: admin']
  assert.equal((await exchange(url, duplicate)).status, 400)
  assert.equal((await exchange(nginx.url, duplicate)).status, 403)
  assert.equal((await exchange(nginx.url, ['GET / HTTP/1.1', 'Host: elastauth'])).status, 401)
})
