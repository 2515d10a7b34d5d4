import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import { createCall } from '../../../src/es/call.ts'
import { createElasticsearchClient } from '../../../src/es/client.ts'
import { createClientLogIn } from '../../../src/es/client-login.ts'

const keyBody = {
  ...{ username: 'alice', roles: [], full_name: null, email: null, metadata: {}, enabled: true },
  authentication_realm: { name: '_es_api_key', type: '_es_api_key' },
  authentication_type: 'api_key',
  api_key: { id: 'key-1', name: 'filebeat' },
}
const json = { 'x-elastic-product': 'Elasticsearch', 'content-type': 'application/json' }

let reply: { status: number; headers: Record<string, string>; body: unknown } = { status: 200, headers: json, body: {} }
let received: { url: string | undefined; headers: IncomingHttpHeaders }[] = []
const server = http.createServer(({ url, headers }, response) => {
  received.push({ url, headers })
  response.writeHead(reply.status, reply.headers).end(JSON.stringify(reply.body))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => {
  server.closeAllConnections()
  server.close()
})
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

function createLogIn(account: { username: string; password: string } | { apiKey: string }) {
  const client = createElasticsearchClient({
    hosts: [origin],
    insecureSkipVerify: false,
    timeoutMs: 60_000,
    ...account,
  })
  after(() => client.close())
  received = []
  return createClientLogIn(() => client, createCall({ monotonicNow: () => 0 }))
}
const withPassword = { username: 'elastauth', password: 'changeme' }

describe('a login with the credential of a client', () => {
  for (const account of [withPassword, { apiKey: 'b3duOmtleQ==' }]) {
    test(`sends the client's credential and not the service account's ${'apiKey' in account ? 'API key' : 'password'}`, async () => {
      reply = { status: 200, headers: json, body: keyBody }
      await createLogIn(account)('ApiKey Y2xpZW50OmtleQ==')
      assert.deepEqual(
        received.map(({ url, headers }) => [url, headers.authorization]),
        [['/_security/_authenticate', 'ApiKey Y2xpZW50OmtleQ==']],
      )
      const others = Object.keys(received[0]!.headers).filter((name) => /^es-|cookie|secret/.test(name))
      assert.deepEqual(others, [])
    })
  }

  test('resolves to the owner, the realm and the key', async () => {
    reply = { status: 200, headers: json, body: keyBody }
    assert.deepEqual(await createLogIn(withPassword)('ApiKey eDp5'), {
      username: 'alice',
      roles: [],
      metadata: {},
      realm: { name: '_es_api_key', type: '_es_api_key' },
      type: 'api_key',
      key: { id: 'key-1', name: 'filebeat' },
    })
  })

  test("resolves to undefined after Elasticsearch's own 401", async () => {
    const body = { error: { type: 'security_exception', reason: 'unable to authenticate' }, status: 401 }
    reply = { status: 401, headers: { 'content-type': 'application/json' }, body }
    assert.equal(await createLogIn(withPassword)('ApiKey eDp5'), undefined)
  })

  for (const [what, status, headers, body] of [
    ['a 401 of another server', 401, { 'content-type': 'application/json' }, { error: 'unauthorized' }],
    ['a 200 of another server', 200, { 'content-type': 'application/json' }, keyBody],
    ['a 200 without a username', 200, json, { ...keyBody, username: undefined }],
    ['a 200 without an authentication type', 200, json, { ...keyBody, authentication_type: undefined }],
    ['a 200 without a realm', 200, json, { ...keyBody, authentication_realm: null }],
    ['a 200 with a key without a name', 200, json, { ...keyBody, api_key: { id: 'x' } }],
    ['a 200 with roles that are no texts', 200, json, { ...keyBody, roles: [{}] }],
    ['a 503', 503, json, { error: { type: 'x', reason: 'y' } }],
    ['a redirect', 302, { location: 'http://127.0.0.1:9/' }, {}],
  ] as const) {
    test(`rejects with elasticsearch_unavailable after ${what}, which says nothing about the credential`, async () => {
      reply = { status, headers: { ...headers }, body }
      const error = await createLogIn(withPassword)('ApiKey c2VjcmV0OnNlY3JldA==').catch((thrown) => thrown)
      assert.equal(error.code, 'elasticsearch_unavailable')
      assert.ok(!`${error.stack} ${error.detail}`.includes('c2VjcmV0'))
    })
  }
})
