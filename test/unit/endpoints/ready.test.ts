import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { createReadyEndpoint, type ReadinessChecks } from '../../../src/endpoints/ready.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { contextOf } from '../../support/request-context.ts'

/** Each call of `ask` is later than `maxAgeMs` after the previous one, so that the checks run again. */
function create(checks: ReadinessChecks, deadlineMs = 60_000) {
  const failures: string[] = []
  let now = 0
  const onFailure = (name: string, error: unknown) => failures.push(`${name}: ${(error as GatewayError).message}`)
  const isDirectRequest = ({ httpVersion }: IncomingMessage) => httpVersion === '1.1'
  const ready = createReadyEndpoint(checks, { monotonicNow: () => now, onFailure, isDirectRequest, deadlineMs })
  const ask = async (laterByMs = 1001, httpVersion = '1.1') => {
    now += laterByMs
    const { status, body } = await ready(contextOf({ httpVersion }))
    return { status, ...JSON.parse(body) }
  }
  return { ask, failures }
}

test('ready responds with 503 if one service is down, and names the state of each; a degraded one and an unknown one do not matter', async () => {
  const { ask, failures } = create({
    one: async () => {},
    two: async () => 'degraded',
    three: async () => 'unknown',
    four: () => Promise.reject(new GatewayError('elasticsearch_rejected', 'no privilege')),
    absent: undefined,
  })
  const components = { one: 'up', two: 'degraded', three: 'unknown', four: 'down' }
  assert.deepEqual(await ask(), { status: 'unavailable', components })
  assert.deepEqual(failures, ['four: elasticsearch_rejected: no privilege'])
  const { four: _, ...others } = { one: async () => {}, two: async () => 'degraded', four: undefined }
  assert.equal((await create(others).ask()).status, 'ready')
})

test('a service whose check does not end before the deadline is down, and its check is not started again until it has ended', async () => {
  let calls = 0
  let release = () => {}
  const hanging = () => {
    calls++
    return new Promise<void>((resolve) => {
      release = resolve
    })
  }
  const { ask, failures } = create({ hanging }, 5)
  for (let i = 0; i < 3; i++) assert.deepEqual((await ask()).components, { hanging: 'down' })
  assert.equal(calls, 1)
  assert.match(failures[0]!, /no result within 5 ms/)
  release()
  await new Promise((resolve) => setImmediate(resolve))
  await ask()
  assert.equal(calls, 2)
})

test('the results of the checks are reused for a second', async () => {
  let calls = 0
  const { ask } = create({ counted: async () => calls++ })
  await Promise.all([ask(), ask(0), ask(500)])
  assert.equal(calls, 1)
  await ask()
  assert.equal(calls, 2)
})

test('a request that is not direct sees whether elastauth is ready, and not the state of its components', async () => {
  const { ask } = create({ one: () => Promise.reject(new Error('down')) })
  assert.deepEqual(await ask(1001, '1.0'), { status: 'unavailable' })
  assert.deepEqual(await create({ one: async () => {} }).ask(1001, '1.0'), { status: 'ready' })
})
