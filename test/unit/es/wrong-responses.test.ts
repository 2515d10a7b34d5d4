import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { createApiKeys } from '../../../src/es/api-keys.ts'
import { createCall } from '../../../src/es/call.ts'
import { createElasticsearchClient } from '../../../src/es/client.ts'
import { createPasswordHashing } from '../../../src/es/password-hashing.ts'
import { createFindMissingRoles, createPing, createPrivilegeCheck } from '../../../src/es/service-account.ts'
import { createUsers } from '../../../src/es/users.ts'

type Reply = Readonly<{ status: number; headers?: http.OutgoingHttpHeaders; body?: string | Buffer }>

const elasticsearchHeaders = { 'x-elastic-product': 'Elasticsearch', 'content-type': 'application/json' }
const html = { 'content-type': 'text/html' }
const json = (value: unknown, status = 200): Reply => ({
  status,
  headers: elasticsearchHeaders,
  body: JSON.stringify(value),
})
const bob = { username: 'bob', roles: ['viewer'], full_name: null, email: null, metadata: {}, enabled: true }
const securityError = { error: { type: 'security_exception', reason: 'no' }, status: 401 }

/** The response in place of Elasticsearch's. */
let reply: Reply
let requests: IncomingMessage[] = []
const server = http.createServer((request: IncomingMessage, response: ServerResponse) => {
  requests.push(request)
  request.resume()
  response.writeHead(reply.status, reply.headers).end(reply.body)
})
let client: ReturnType<typeof createElasticsearchClient>
let origin: string

before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  client = createElasticsearchClient({
    ...{ hosts: [origin], username: 'elastic', password: 'changeme', insecureSkipVerify: false, timeoutMs: 60_000 },
  })
})
after(async () => {
  await client.close()
  server.closeAllConnections()
  server.close()
})
afterEach(() => {
  requests = []
})

const call = createCall({ monotonicNow: () => performance.now() })
const users = createUsers(
  () => client,
  call,
  createPasswordHashing('pbkdf2_1000', () => {}),
)
const unavailable = { code: 'elasticsearch_unavailable' }

/** Responses that Elasticsearch never sends for the endpoints that we use. */
const foreign: Record<string, Reply> = {
  'a 404 with HTML': { status: 404, headers: { ...elasticsearchHeaders, ...html }, body: '<h1>Not Found</h1>' },
  'a 404 with JSON that has no product header': {
    status: 404,
    headers: { 'content-type': 'application/json' },
    body: '{}',
  },
  "the 404 of Elastic Cloud's proxy": {
    status: 404,
    headers: { 'content-type': 'application/json', 'x-cloud-error-codes': 'proxy.not-found' },
    body: '{"ok":false,"message":"Unknown resource."}',
  },
  'a 404 without a body': { status: 404, headers: { 'x-elastic-product': 'Elasticsearch' } },
  'a 301': { status: 301, headers: { ...elasticsearchHeaders, location: '/elsewhere' }, body: '{}' },
  'a 302 to a login page': { status: 302, headers: { location: 'https://login.example.com/' } },
  'a 304': { status: 304, headers: elasticsearchHeaders },
  'a 204': { status: 204, headers: elasticsearchHeaders },
  'a 206': { status: 206, headers: elasticsearchHeaders, body: JSON.stringify({ bob })!.slice(0, 5) },
  'a 200 without a body': { status: 200, headers: elasticsearchHeaders },
  'a 200 with text': { status: 200, headers: { ...elasticsearchHeaders, 'content-type': 'text/plain' }, body: 'OK' },
  'a 200 with HTML': { status: 200, headers: { ...elasticsearchHeaders, ...html }, body: '<h1>Maintenance</h1>' },
  'a 200 of a server other than Elasticsearch': { ...json({ bob }), headers: { 'content-type': 'application/json' } },
  'a 200 with truncated JSON': { ...json({}), body: '{"bob":{"username":"bob"' },
  'a 200 with []': json([]),
  'a 200 with null': json(null),
  'a 200 with a string': json('bob'),
  'a 200 with a number': json(0),
  'a compressed 200': {
    status: 200,
    headers: { ...elasticsearchHeaders, 'content-encoding': 'gzip' },
    body: gzipSync(JSON.stringify({ bob })),
  },
  'a 400 with HTML': { status: 400, headers: html, body: '<h1>Bad Request</h1>' },
  'a 401 with HTML': { status: 401, headers: { ...html, 'www-authenticate': 'Basic realm="proxy"' } },
  'a 401 with JSON of another server': { status: 401, headers: elasticsearchHeaders, body: '{"message":"no"}' },
  'a 403 with HTML': { status: 403, headers: html, body: '<h1>Forbidden</h1>' },
  'a 403 with JSON of another server': { status: 403, headers: elasticsearchHeaders, body: '{"message":"no"}' },
  'a 405 with HTML': { status: 405, headers: html, body: '<h1>Not allowed</h1>' },
}

const calls: Record<string, () => Promise<unknown>> = {
  'get user': () => users.get('bob'),
  'put user': () => users.put('bob', { password: 'secret-1', roles: [], full_name: null, email: null, metadata: {} }),
  'delete user': () => users.delete('bob'),
  'get API keys': () => createApiKeys(() => client, call).invalidateAll('bob'),
  authenticate: () => users.authenticate('bob', 'secret-1'),
  ping: createPing(() => client, call),
  'has privileges': createPrivilegeCheck(() => client, call),
}

for (const [name, run] of Object.entries(calls)) {
  describe(`${name} is elasticsearch_unavailable`, () => {
    for (const [what, wrong] of Object.entries(foreign)) {
      test(`${name} is elasticsearch_unavailable for ${what}`, async () => {
        reply = wrong
        await assert.rejects(run(), unavailable)
      })
    }
  })
}

describe('get user is elasticsearch_unavailable', () => {
  const rows: Record<string, unknown> = {
    'another user': { alice: { ...bob, username: 'alice' } },
    'another user under that name': { bob: { ...bob, username: 'alice' } },
    'no user': {},
    'a list for the user': { bob: [] },
    'a text for the user': { bob: 'bob' },
    'no enabled': { bob: { ...bob, enabled: undefined } },
    'a text for enabled': { bob: { ...bob, enabled: 'false' } },
    'a text for roles': { bob: { ...bob, roles: 'viewer' } },
    'a number among the roles': { bob: { ...bob, roles: [1] } },
    'no metadata': { bob: { ...bob, metadata: undefined } },
    'a list for metadata': { bob: { ...bob, metadata: [] } },
  }
  for (const [what, body] of Object.entries(rows)) {
    test(`get user is elasticsearch_unavailable for a 200 with ${what}`, async () => {
      reply = json(body)
      await assert.rejects(users.get('bob'), unavailable)
    })
  }

  test('get user is elasticsearch_unavailable for a 404 of Elasticsearch that does not concern the user', async () => {
    reply = json({ error: { type: 'index_not_found_exception', reason: 'no such index' }, status: 404 }, 404)
    await assert.rejects(users.get('bob'), unavailable)
  })
})

test('get user reports an absent user only for a 404 with {} and the product header', async () => {
  reply = json({}, 404)
  assert.equal(await users.get('bob'), undefined)
})

test("a redirect is not followed, so that neither the service account's nor a user's credential is sent elsewhere", async () => {
  reply = { status: 307, headers: { ...elasticsearchHeaders, location: `${origin}/elsewhere` }, body: '{}' }
  await assert.rejects(users.get('bob'), unavailable)
  await assert.rejects(users.authenticate('bob', 'secret-1'), unavailable)
  assert.deepEqual([...new Set(requests.map(({ url }) => url))], ['/_security/user/bob', '/_security/_authenticate'])
})

test('put user is elasticsearch_unavailable if the response does not say whether the user was created', async () => {
  for (const body of [{}, { created: 'true' }, { created: null }, { found: true }]) {
    reply = json(body)
    await assert.rejects(calls['put user']!(), unavailable)
  }
})

test('delete user is elasticsearch_unavailable if the response does not say whether the user was found', async () => {
  for (const body of [{}, { found: 'true' }, { created: true }]) {
    reply = json(body)
    await assert.rejects(calls['delete user']!(), unavailable)
  }
  for (const [found, status] of [
    [true, 200],
    [false, 404],
  ] as const) {
    reply = json({ found }, status)
    await calls['delete user']!()
  }
})

test('authenticate is elasticsearch_unavailable if the response contains another user', async () => {
  for (const body of [{ ...bob, username: 'alice' }, { ...bob, username: ['bob'] }, { ...bob, roles: {} }, { bob }]) {
    reply = json(body)
    await assert.rejects(users.authenticate('bob', 'secret-1'), unavailable)
  }
})

test("authenticate counts a password as rejected only by Elasticsearch's own 401", async () => {
  reply = { status: 401, headers: { 'content-type': 'application/json' }, body: JSON.stringify(securityError) }
  assert.equal(await users.authenticate('bob', 'secret-1'), undefined)
})

test('has privileges is elasticsearch_unavailable if the response does not list the privileges', async () => {
  for (const body of [
    { has_all_requested: true },
    { username: 'elastic' },
    { username: 'elastic', has_all_requested: 1 },
  ]) {
    reply = json(body)
    await assert.rejects(calls['has privileges']!(), unavailable)
  }
})

test('get roles is elasticsearch_unavailable if the response contains no roles', async () => {
  const findMissingRoles = createFindMissingRoles(() => client, call)
  for (const wrong of [json([]), json({ viewer: 1 }), foreign['a 404 with HTML']!, foreign['a 204']!]) {
    reply = wrong
    await assert.rejects(findMissingRoles(['viewer']), unavailable)
  }
})

test('setPassword resolves to false on a conflict with another write of the user', async () => {
  const reason = '[user-bob]: version conflict, required seqNo [62], primary term [1]'
  reply = json({ error: { type: 'version_conflict_engine_exception', reason }, status: 409 }, 409)
  assert.equal(await users.setPassword('bob', { password: 'x' }), false)
})

test("a response of Kibana, whatever its status, says that elasticsearch.hosts needs Elasticsearch's URL", async () => {
  for (const status of [200, 302, 404, 503]) {
    reply = { status, headers: { 'kbn-name': 'kibana', 'content-type': 'application/json' }, body: '{}' }
    await assert.rejects(createPing(() => client, call)(), {
      code: 'elasticsearch_unavailable',
      detail: `ConnectionError: the response ${status} is Kibana's: write the URL of Elasticsearch in elasticsearch.hosts, usually with port 9200`,
    })
  }
})
