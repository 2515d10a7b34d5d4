import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startProxy, startUpstream, userOf } from '../support/upstream.ts'

const users = 500
const requestsPerUser = 20

test('500 users at once, answers in any order: each request carries its own user’s credential, each client gets its own answer', async () => {
  const upstream = await startUpstream(async (asked, response) => {
    const delay = Math.random() * 20
    if (delay > 5) await sleep(delay)
    const said = asked.headers['x-expected-user']
    let body = ''
    for await (const chunk of asked) body += chunk
    const isRight = userOf(asked.headers.authorization) === said && (body === '' || body === said)
    response.writeHead(isRight ? 200 : 500, { 'X-User': userOf(asked.headers.authorization) }).end(said)
  })
  const gateway = await startProxy(upstream.url, { flags: { log_level: 'warn', listen: '127.0.0.1:6127' } })
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })

  function ask(user: string, turn: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const headers = { 'Remote-User': user, 'X-Expected-User': user, Authorization: 'Basic ZWxhc3RpYzp4' }
    const asked = request(
      `${gateway.url}/${turn}`,
      { method: turn % 2 ? 'POST' : 'GET', headers, agent },
      async (message) => {
        let body = ''
        for await (const chunk of message) body += chunk
        const isRight = message.statusCode === 200 && body === user && message.headers['x-user'] === user
        if (isRight) resolve()
        else reject(new Error(`${user} got ${message.statusCode} for ${message.headers['x-user']}: ${body}`))
      },
    )
    asked.on('error', reject).end(turn % 2 ? user : undefined)
    // Some leave in the middle: nobody else may get what was theirs.
    if (turn % 7 === 6) {
      asked.off('error', reject).on('error', () => resolve())
      setTimeout(() => asked.destroy(), Math.random() * 10)
    }
    return promise
  }

  const lanes = Array.from({ length: users }, async (_, index) => {
    for (let turn = 0; turn < requestsPerUser; turn++) await ask(`user-${index}`, turn)
  })
  const results = await Promise.allSettled(lanes)
  agent.destroy()
  assert.deepEqual(
    results.filter(({ status }) => status === 'rejected'),
    [],
  )
})
