import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as forward, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, test } from 'node:test'
import { createFixture, sendSubRequest } from './fixture.ts'

type Reply = Readonly<{ status: number; headers?: OutgoingHttpHeaders; body?: string }>

const { elasticsearch, elasticsearchUrl, start } = await createFixture()
/** While set, the response to "get user" in place of the stand-in's. */
let wrong: Reply | undefined
const between = createServer((request, response) => {
  if (wrong !== undefined && request.method === 'GET' && request.url!.startsWith('/_security/user/')) {
    request.resume()
    response.writeHead(wrong.status, wrong.headers).end(wrong.body)
    return
  }
  const { method, url, headers } = request
  const onward = forward(new URL(url!, elasticsearchUrl), { method: method!, headers }, (answer) => {
    response.writeHead(answer.statusCode!, answer.headers)
    answer.pipe(response)
  })
  request.pipe(onward.on('error', () => response.destroy()))
})
between.listen(0, '127.0.0.1')
await once(between, 'listening')
after(() => {
  between.closeAllConnections()
  between.close()
})
const gateway = await start({
  flags: { 'elasticsearch.hosts': `http://127.0.0.1:${(between.address() as AddressInfo).port}` },
})
afterEach(() => {
  wrong = undefined
})

const own = { 'x-elastic-product': 'Elasticsearch', 'content-type': 'application/json' }
const replies: Record<string, Reply> = {
  'a 404 with HTML': { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>Not Found</h1>' },
  'a 404 with JSON of somebody else': { status: 404, headers: { 'content-type': 'application/json' }, body: '{}' },
  'a 301': { status: 301, headers: { location: '/' } },
  'a 302': { status: 302, headers: { location: 'https://login.example.com/' } },
  'a 204': { status: 204, headers: own },
  'a 200 with []': { status: 200, headers: own, body: '[]' },
  'a 200 with text': { status: 200, headers: { ...own, 'content-type': 'text/plain' }, body: 'OK' },
}
const handMade = { password: 'hand-made', roles: ['superuser'], full_name: null, email: null, metadata: {} }
let count = 0

for (const [what, reply] of Object.entries(replies)) {
  for (const enabled of [true, false]) {
    test(`${what} to "get user" leaves a hand-made user that is ${enabled ? 'enabled' : 'disabled'} alone: 503`, async () => {
      const username = `hand-made-${count++}`
      const user = { ...handMade, enabled }
      elasticsearch.users.set(username, user)
      wrong = reply
      const response = await sendSubRequest(gateway.url, username)
      assert.equal(response.status, 503)
      assert.equal(response.headers.get('authorization'), null)
      assert.equal(((await response.json()) as { error: string }).error, 'elasticsearch_unavailable')
      assert.deepEqual(elasticsearch.users.get(username), user)
      wrong = undefined
      assert.equal((await sendSubRequest(gateway.url, username)).status, 403)
      assert.deepEqual(elasticsearch.users.get(username), user)
    })
  }
}
