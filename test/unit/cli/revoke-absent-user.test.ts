import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config } from '../../../config/schema.ts'
import type { Connections } from '../../../src/cli/users/connect.ts'
import { revokeUser } from '../../../src/cli/users/revoke.ts'
import { type ErrorCode, GatewayError } from '../../../src/http/errors.ts'

/** Connections whose revocation fails with this code. */
function connectionsTo(code: ErrorCode) {
  const calls: string[] = []
  const recorded = (name: string, result: number) => async (username: string) => {
    calls.push(`${name} ${username}`)
    return result
  }
  const connections = {
    administration: { revoke: () => Promise.reject(new GatewayError(code, 'the reason')) },
    sessions: { endAll: recorded('sessions', 2) },
    apiKeys: { invalidateAll: recorded('keys', 3) },
  } as unknown as Connections
  return { connections, calls }
}

const revoke = (connections: Connections, apiKeys: boolean) =>
  revokeUser(connections, 'alice', { disable: true, apiKeys, json: false, dryRun: false }, {} as Config)

test('users revoke ends the sessions of a user who is not in Elasticsearch, and with --api-keys the keys, and fails', async () => {
  const { connections, calls } = connectionsTo('not_found')
  await assert.rejects(revoke(connections, false), { code: 'not_found', detail: 'the reason; 2 sessions ended' })
  assert.deepEqual(calls, ['sessions alice'])
  await assert.rejects(revoke(connections, true), {
    code: 'not_found',
    detail: 'the reason; 2 sessions ended; 3 API keys invalidated',
  })
  assert.deepEqual(calls.slice(1), ['sessions alice', 'keys alice'])
})

test('users revoke invalidates the keys of a user who is not in Elasticsearch although Redis is down, and says that no session ended', async () => {
  const { connections } = connectionsTo('not_found')
  const sessions = { endAll: () => Promise.reject(new GatewayError('sessions_unavailable', 'Redis is down')) }
  await assert.rejects(revoke({ ...connections, sessions } as unknown as Connections, true), {
    detail: 'the reason; no sessions ended: Redis is down; 3 API keys invalidated',
  })
})

test('users revoke ends neither sessions nor keys of a user whom elastauth does not manage', async () => {
  for (const code of ['user_foreign', 'key_conflict'] as const) {
    const { connections, calls } = connectionsTo(code)
    await assert.rejects(revoke(connections, true), { code, detail: 'the reason' })
    assert.deepEqual(calls, [])
  }
})
