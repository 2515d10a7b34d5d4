import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../support/fuzz/random.ts'
import { findFreePort } from '../support/port.ts'
import { startProxy, startUpstream, userOf } from '../support/upstream.ts'

const users = 500
/** In all; 100,000 is the full run, of a minute or two. */
const requests = Number(process.env.ISOLATION_REQUESTS ?? 10_000)
const random = createRandom(1)
const requestsPerUser = Math.ceil(requests / users)

test('500 users at once, answers in any order: each request carries its own user’s credential, each client gets its own answer', async () => {
  const upstream = await startUpstream(async (asked, response) => {
    const delay = random.below(20)
    if (delay > 5) await sleep(delay)
    const said = asked.headers['x-expected-user']
    const body = await text(asked).catch(() => undefined)
    if (body === undefined) return // its client left
    const isRight = userOf(asked.headers.authorization) === said && (body === '' || body === said)
    response.writeHead(isRight ? 200 : 500, { 'X-User': userOf(asked.headers.authorization) }).end(said)
  })
  const gateway = await startProxy(upstream.url, {
    flags: { log_level: 'warn', listen: `127.0.0.1:${await findFreePort()}` },
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })

  function ask(user: string, turn: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Some leave in the middle: nobody else may get what was theirs.
    const isLeaving = turn % 7 === 6
    const onError = isLeaving ? () => resolve() : reject
    const headers = { 'Remote-User': user, 'X-Expected-User': user, Authorization: 'Basic ZWxhc3RpYzp4' }
    const asked = request(`${gateway.url}/${turn}`, { method: turn % 2 ? 'POST' : 'GET', headers, agent })
    asked.on('response', (message) => {
      let body = ''
      message.on('error', onError).on('data', (chunk) => {
        body += chunk
      })
      message.on('end', () => {
        const isRight = message.statusCode === 200 && body === user && message.headers['x-user'] === user
        if (isRight) resolve()
        else reject(new Error(`${user} got ${message.statusCode} for ${message.headers['x-user']}: ${body}`))
      })
    })
    asked.on('error', onError).end(turn % 2 ? user : undefined)
    if (isLeaving) setTimeout(() => asked.destroy(), random.below(10))
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
