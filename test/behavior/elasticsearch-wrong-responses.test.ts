import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as forward, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, test } from 'node:test'
import { keepAlive } from '../support/keep-alive.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

type WrongResponse = Readonly<{ status: number; headers?: OutgoingHttpHeaders; body?: string }>

const { elasticsearch, elasticsearchUrl, start } = await createFixture()
/** While set, the response to "get user" instead of the fake Elasticsearch's. */
let wrongResponse: WrongResponse | undefined
const proxy = createServer(keepAlive, (request, response) => {
  if (wrongResponse !== undefined && request.method === 'GET' && request.url!.startsWith('/_security/user/')) {
    request.resume()
    response.writeHead(wrongResponse.status, wrongResponse.headers).end(wrongResponse.body)
    return
  }
  const { method, url, headers } = request
  const forwarded = forward(new URL(url!, elasticsearchUrl), { method: method!, headers }, (upstreamResponse) => {
    response.writeHead(upstreamResponse.statusCode!, upstreamResponse.headers)
    upstreamResponse.pipe(response)
  })
  request.pipe(forwarded.on('error', () => response.destroy()))
})
proxy.listen(0, '127.0.0.1')
await once(proxy, 'listening')
after(() => {
  proxy.closeAllConnections()
  proxy.close()
})
const gateway = await start({
  flags: { 'elasticsearch.hosts': `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` },
})
afterEach(() => {
  wrongResponse = undefined
})

const elasticsearchHeaders = { 'x-elastic-product': 'Elasticsearch', 'content-type': 'application/json' }
const wrongResponses: Record<string, WrongResponse> = {
  'a 404 with HTML': { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>Not Found</h1>' },
  'a 404 with JSON of another server': { status: 404, headers: { 'content-type': 'application/json' }, body: '{}' },
  'a 301': { status: 301, headers: { location: '/' } },
  'a 302': { status: 302, headers: { location: 'https://login.example.com/' } },
  'a 204': { status: 204, headers: elasticsearchHeaders },
  'a 200 with []': { status: 200, headers: elasticsearchHeaders, body: '[]' },
  'a 200 with text': { status: 200, headers: { ...elasticsearchHeaders, 'content-type': 'text/plain' }, body: 'OK' },
}
const foreignUser = { password: 'set-by-an-admin', roles: ['superuser'], full_name: null, email: null, metadata: {} }
let count = 0

for (const [what, reply] of Object.entries(wrongResponses)) {
  for (const enabled of [true, false]) {
    test(`${what} in response to "get user" results in 503, and leaves ${enabled ? 'an enabled' : 'a disabled'} unmanaged user unchanged`, async () => {
      const username = `foreign-${count++}`
      const user = { ...foreignUser, enabled }
      elasticsearch.users.set(username, user)
      wrongResponse = reply
      const response = await sendSubRequest(gateway.url, username)
      assert.equal(response.status, 503)
      assert.equal(response.headers.get('authorization'), null)
      assert.equal(((await response.json()) as { error: string }).error, 'elasticsearch_unavailable')
      assert.deepEqual(elasticsearch.users.get(username), user)
      wrongResponse = undefined
      assert.equal((await sendSubRequest(gateway.url, username)).status, 403)
      assert.deepEqual(elasticsearch.users.get(username), user)
    })
  }
}
