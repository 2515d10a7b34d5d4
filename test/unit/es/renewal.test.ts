import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { after, test } from 'node:test'
import { createCall } from '../../../src/es/call.ts'
import { createElasticsearch } from '../../../src/es/client.ts'
import { createPasswordHashing } from '../../../src/es/password-hashing.ts'
import { createUsers } from '../../../src/es/users.ts'
import { authority } from '../../support/tls-files.ts'

/** How many calls run on a host at a time. */
const maxConnections = 16

test('a reload of certificates closes the connections of the former client when its running and queued calls have ended', async () => {
  const held: ServerResponse[] = []
  const { promise: isFull, resolve: onFull } = Promise.withResolvers<void>()
  let isReleased = false
  const reply = (response: ServerResponse) =>
    response
      .writeHead(404, { 'x-elastic-product': 'Elasticsearch', 'content-type': 'application/json' })
      .end(JSON.stringify({}))
  const server = http.createServer((_, response) => {
    if (isReleased) return void reply(response)
    held.push(response)
    if (held.length === maxConnections) onFull()
  })
  server.keepAliveTimeout = 0 // so that only the client closes connections
  const closed: Promise<unknown>[] = []
  server.on('connection', (socket: Socket) => closed.push(once(socket, 'close')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const options = {
    hosts: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`],
    ...{ username: 'elastic', password: 'changeme', insecureSkipVerify: false, timeoutMs: 60_000 },
  }
  const elasticsearch = createElasticsearch(options)
  const users = createUsers(
    elasticsearch.client,
    createCall({ monotonicNow: () => 0 }),
    createPasswordHashing('pbkdf2_1000', () => {}),
  )

  const calls = Array.from({ length: 40 }, () => users.get('bob').then(String, ({ detail }) => String(detail)))
  await isFull
  elasticsearch.prepareRenewal({ ...options, ca: authority.cert })()
  isReleased = true
  for (const response of held) reply(response)
  assert.deepEqual(await Promise.all(calls), Array(40).fill('undefined'))
  await Promise.all(closed)

  assert.equal(await users.get('bob'), undefined)
  await elasticsearch.close()
})
