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

function assertIsBob(answer: RawResponse): void {
  assert.equal(answer.status, 200, answer.head)
  const authorizations = headersOf(answer, 'authorization')
  assert.equal(authorizations.length, 1, answer.head)
  assert.equal(parseBasic(authorizations[0]).username, 'bob')
  assert.deepEqual(headersOf(answer, 'cache-control'), ['no-store'])
}

for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'M-SEARCH', 'TRACE']) {
  test(`${method} gets the same verdict as GET`, async () => {
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

for (const target of [...spellingsOf('elastauth'), ...otherTargets]) {
  test(`the target ${target.slice(0, 40)} is answered without a credential, like a missing page`, async () => {
    for (const [to, denial] of [
      [url, 404],
      [nginx.url, 403],
    ] as const) {
      const answer = await exchange(to, [`GET ${target} HTTP/1.1`, ...asBob])
      assert.deepEqual([answer.status, headersOf(answer, 'authorization')], [denial, []], answer.head)
      assert.equal(JSON.parse(answer.body).error, 'not_found')
    }
  })
}

test('OPTIONS * is not a sub-request: 404', async () => {
  assert.equal((await exchange(url, ['OPTIONS * HTTP/1.1', ...asBob])).status, 404)
})

test('a rejected path is one line in the log, which names the path and the fix', async () => {
  await exchange(url, ['GET /verify?token=hidden HTTP/1.1', ...asBob])
  const line = await gateway.logged(({ message = '' }) => message.startsWith('GET /verify 404 '))
  assert.equal(
    line.message,
    "GET /verify 404 sub-requests are answered on / only: point the proxy's auth address there, or set forward_auth.path_prefix",
  )
  assert.deepEqual([line['error.code'], line['log.level']], ['not_found', 'info'])
})

test('an answer to HEAD has no body, and the next answer follows at once', async () => {
  const connection = openRaw(url)
  connection.sendLines('HEAD / HTTP/1.1', ...asBob, '', 'GET / HTTP/1.1', ...asBob, '')
  assertIsBob(await connection.readResponse({ isHead: true }))
  const second = await connection.readResponse()
  assertIsBob(second)
  assert.equal(JSON.parse(second.body).username, 'bob')
  connection.socket.destroy()
})

test('a body is not waited for, and the connection serves the next request', async () => {
  const connection = openRaw(url)
  connection.sendLines('POST / HTTP/1.1', ...asBob, 'Content-Length: 300000', '', Buffer.alloc(100_000, 'a'))
  assertIsBob(await connection.readResponse())
  connection.sendLines(Buffer.alloc(200_000, 'a'), 'GET / HTTP/1.1', ...asBob, '')
  assertIsBob(await connection.readResponse())
  connection.socket.destroy()
})

test('a body of 100 MB with Expect: 100-continue is never asked for', async () => {
  const length = `Content-Length: ${100 * 1024 * 1024}`
  const answer = await exchange(url, ['PUT / HTTP/1.1', ...asBob, length, 'Expect: 100-continue'])
  assertIsBob(answer)
  assert.match(answer.head, /^HTTP\/1\.1 200 /)
})

test('after Expect: 100-continue no second request is taken for the body that never came', async () => {
  const connection = openRaw(url)
  connection.sendLines('PUT / HTTP/1.1', ...asBob, 'Content-Length: 1000', 'Expect: 100-continue', '')
  const answer = await connection.readResponse()
  assertIsBob(answer)
  // RFC 9110, 10.1.1: whoever answers without the body says that the connection ends here, or reads the body after all.
  assert.deepEqual(headersOf(answer, 'connection'), ['close'])
  connection.socket.destroy()
})

test('HTTP/1.0 works, and its connection ends with the answer', async () => {
  const connection = openRaw(url)
  connection.sendLines('GET / HTTP/1.0', 'Remote-User: bob', '')
  assertIsBob(await connection.readResponse())
  assert.equal(await connection.closed, '')
})

test('a request to change to WebSocket is answered like any other', async () => {
  assertIsBob(await exchange(url, ['GET / HTTP/1.1', ...asBob, 'Connection: Upgrade', 'Upgrade: websocket']))
})

test('the client’s own Authorization is neither used nor echoed', async () => {
  const own = `Basic ${Buffer.from('elastic:changeme').toString('base64')}`
  const answer = await exchange(url, [
    'GET / HTTP/1.1',
    ...asBob,
    `Authorization: ${own}`,
    'authorization: Bearer a-token-of-the-client',
  ])
  assertIsBob(answer)
  assert.ok(!`${answer.head}${answer.body}`.includes(own) && !answer.head.includes('a-token-of-the-client'))
  const alone = await exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', `Authorization: ${own}`])
  assert.equal(alone.status, 401)
  assert.ok(!`${alone.head}${alone.body}`.includes(own))
})

test('the head of an answer fits into 4 KB, also for the longest username', async () => {
  const username = 'u'.repeat(255)
  const answer = await exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', `Remote-User: ${username}`])
  assert.equal(answer.status, 200)
  assert.ok(answer.head.length < 4096, String(answer.head.length))
  assert.equal((await logIn(headersOf(answer, 'authorization')[0])).body.username, username)
})

test('the body holds what the page shows, and no credential', async () => {
  const headers = ['Remote-Groups: admins, users', 'Remote-Email: bob@example.com', 'Remote-Name: Bob']
  const answer = await exchange(url, ['GET / HTTP/1.1', ...asBob, ...headers])
  const authorization = headersOf(answer, 'authorization')[0]
  const { password } = parseBasic(authorization)
  const { message, username, groups, email, name, ...rest } = JSON.parse(answer.body)
  assert.equal(message, 'Authentication successful')
  assert.deepEqual([username, groups, email, name], ['bob', ['admins', 'users'], 'bob@example.com', 'Bob'])
  assert.deepEqual(rest, {})
  assert.ok(!answer.body.includes(password))
  assert.equal((await logIn(authorization)).status, 200)
})

test('a browser gets its denial as a page, others as JSON', async () => {
  const browser = await fetch(url, { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
  assert.match(await browser.text(), /<!doctype html>.*Authentication required/s)
  const { error, message, request_id } = (await (await fetch(url)).json()) as Record<string, string>
  assert.deepEqual([error, message], ['identity_missing', 'Authentication required'])
  assert.match(request_id!, /^[0-9a-f]{12}-/)
})

test('nginx is answered 403 where others get 400, and 401 as ever', async () => {
  const doubled = ['GET / HTTP/1.1', ...asBob, 'Remote-User: admin']
  assert.equal((await exchange(url, doubled)).status, 400)
  assert.equal((await exchange(nginx.url, doubled)).status, 403)
  assert.equal((await exchange(nginx.url, ['GET / HTTP/1.1', 'Host: elastauth'])).status, 401)
})
