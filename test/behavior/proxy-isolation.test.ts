import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../support/fuzz/random.ts'
import { findFreePort } from '../support/port.ts'
import { startProxy, startUpstream, userOf } from '../support/upstream.ts'

const users = 500
/** In total. The full run has 100,000 and takes a minute or two. */
const requests = Number(process.env.ISOLATION_REQUESTS ?? 10_000)
const random = createRandom(1)
const requestsPerUser = Math.ceil(requests / users)

test("forwards each request of 500 concurrent users with that user's credential, and returns each response to the client that sent the request", async () => {
  const upstream = await startUpstream(async (incoming, response) => {
    const delayMs = random.below(20)
    if (delayMs > 5) await sleep(delayMs)
    const expectedUser = incoming.headers['x-expected-user']
    const body = await text(incoming).catch(() => undefined)
    if (body === undefined) return // the client closed the connection
    const user = userOf(incoming.headers.authorization)
    const isExpected = user === expectedUser && (body === '' || body === expectedUser)
    response.writeHead(isExpected ? 200 : 500, { 'X-User': user }).end(expectedUser)
  })
  const gateway = await startProxy(upstream.url, {
    flags: { log_level: 'warn', listen: `127.0.0.1:${await findFreePort()}` },
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })

  function send(user: string, index: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Some clients abort their request. Its response must not reach another client.
    const isAborted = index % 7 === 6
    const onError = isAborted ? () => resolve() : reject
    const headers = { 'Remote-User': user, 'X-Expected-User': user, Authorization: 'Basic ZWxhc3RpYzp4' }
    const outgoing = request(`${gateway.url}/${index}`, { method: index % 2 ? 'POST' : 'GET', headers, agent })
    outgoing.on('response', (message) => {
      let body = ''
      message.on('error', onError).on('data', (chunk) => {
        body += chunk
      })
      message.on('end', () => {
        const isExpected = message.statusCode === 200 && body === user && message.headers['x-user'] === user
        if (isExpected) resolve()
        else reject(new Error(`${user} got ${message.statusCode} for ${message.headers['x-user']}: ${body}`))
      })
    })
    outgoing.on('error', onError).end(index % 2 ? user : undefined)
    if (isAborted) setTimeout(() => outgoing.destroy(), random.below(10))
    return promise
  }

  const clients = Array.from({ length: users }, async (_, number) => {
    for (let index = 0; index < requestsPerUser; index++) await send(`user-${number}`, index)
  })
  const results = await Promise.allSettled(clients)
  agent.destroy()
  assert.deepEqual(
    results.filter(({ status }) => status === 'rejected'),
    [],
  )
})
