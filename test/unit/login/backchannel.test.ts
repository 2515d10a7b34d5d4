import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { GatewayError } from '../../../src/http/errors.ts'
import { createBackchannelEndpoint } from '../../../src/login/backchannel.ts'
import { contextOf } from '../../support/request-context.ts'
import { createReplicas } from '../sessions/fixture.ts'

const logoutRequest = () =>
  contextOf(
    Object.assign(Readable.from([Buffer.from('logout_token=token')]), {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }) as IncomingMessage,
  )

test('a back-channel logout that failed because of the session store ends the sessions when the provider sends it again, and is rejected only after that', async () => {
  const { sessions, login, memory } = createReplicas()
  const id = await sessions.create(login)
  const reported: unknown[] = []
  let isDown = true
  const logOut = createBackchannelEndpoint({
    verify: async () => ({ jti: 'jti-1', sub: login.subject }),
    sessions: {
      async revokeAll(...args) {
        if (isDown) throw new GatewayError('sessions_unavailable', 'the store is down')
        return sessions.revokeAll(...args)
      },
    },
    store: memory,
    onSessionsEnded: (count, subject) => void reported.push([count, subject]),
  })
  await assert.rejects(logOut(logoutRequest()), { code: 'sessions_unavailable' })
  isDown = false
  assert.equal((await logOut(logoutRequest())).status, 200)
  assert.equal(await sessions.find(id), undefined)
  await assert.rejects(logOut(logoutRequest()), { code: 'logout_invalid', detail: 'the logout token was used before' })
  assert.deepEqual(reported, [[1, login.subject]])
})

test('a back-channel logout gets an error if it cannot be recorded as used, so that the provider sends it again', async () => {
  const { sessions, login, memory } = createReplicas()
  const id = await sessions.create(login)
  const failing = () => Promise.reject(new Error('down'))
  const verify = async () => ({ jti: 'jti-1', sub: login.subject })
  for (const store of [
    { ...memory, wasUsed: failing },
    { ...memory, useOnce: failing },
  ]) {
    const logOut = createBackchannelEndpoint({ verify, sessions, store, onSessionsEnded: () => {} })
    await assert.rejects(logOut(logoutRequest()), { code: 'sessions_unavailable' })
  }
  assert.equal(await sessions.find(id), undefined)
})
