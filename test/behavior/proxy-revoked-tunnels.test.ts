import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testKey } from '../support/gateway.ts'
import { startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, sendSubRequest, serviceAccount } from './fixture.ts'

const upstream = await startRawUpstream((socket) => socket.write(switchingProtocols))
const { elasticsearch, elasticsearchUrl, start } = await createFixture()
const flags = { 'proxy.enabled': 'true', 'proxy.elasticsearch_url': upstream.url }

async function openWebSocket(gateway: Awaited<ReturnType<typeof start>>, username: string) {
  const connection = requestWebSocket(gateway, '/socket', [`Remote-User: ${username}`])
  await connection.until(/101 Switching Protocols[\s\S]*\r\n\r\n/)
  return connection
}

test('the WebSockets of a user who is disabled by users revoke close at the next check, without a request of the user, and those of others stay open', async () => {
  const gateway = await start({ flags: { ...flags, 'cache.revalidate': '1s' } })
  const alice = await openWebSocket(gateway, 'alice')
  const bob = await openWebSocket(gateway, 'bob')
  const env = {
    ELASTAUTH_SECRET_KEY: testKey,
    ELASTAUTH_DEFAULT_ROLES: 'viewer',
    ELASTAUTH_ELASTICSEARCH_HOSTS: elasticsearchUrl,
    ...serviceAccount,
  }
  assert.equal((await runElastauth(['users', 'revoke', 'alice', '--disable'], env)).code, 0)
  await alice.closed
  const line = await gateway.logged((one) => one['event.action'] === 'tunnels_closed')
  assert.deepEqual(
    [line['user.name'], line.message],
    ['alice', 'user alice: revoked, disabled or deleted; 1 WebSocket closed'],
  )
  let isClosed = false
  void bob.closed.then(() => {
    isClosed = true
  })
  elasticsearch.users.delete('carol')
  const carol = await openWebSocket(gateway, 'carol')
  elasticsearch.users.delete('carol')
  await carol.closed
  assert.equal(isClosed, false)
})

test('the WebSockets of a disabled user close at once when another request of the user is rejected', async () => {
  const gateway = await start({ flags: { ...flags, 'cache.type': 'none' } })
  const dora = await openWebSocket(gateway, 'dora')
  elasticsearch.users.set('dora', { ...elasticsearch.users.get('dora')!, enabled: false })
  assert.equal((await sendSubRequest(gateway.url, 'dora')).status, 403)
  await dora.closed
})
