import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplyError } from 'ioredis'
import { createRedisCall } from '../../../src/redis/call.ts'

function createWorld(timeoutMs = 60_000, whyApart?: string) {
  const counted: string[] = []
  const said: string[] = []
  const redis = createRedisCall({
    timeoutMs,
    disconnectReason: () => whyApart,
    reconnect: () => said.push('reconnect'),
    count: (operation, result) => counted.push(`${operation} ${result}`),
    onStateChange: (change) => said.push(change.state === 'up' ? 'up' : `down: ${change.reason}`),
  })
  return { ...redis, counted, said }
}

const works = async () => 'OK'
const fails = (error: Error) => () => Promise.reject(error)
const full = fails(new ReplyError('OOM command not allowed'))
const apart = fails(new Error('Connection is closed.'))

test('a call that never answers ends at its limit', async () => {
  const { call, counted, said } = createWorld(5)
  await assert.rejects(
    call('read', () => new Promise(() => {})),
    /no response within 5 ms/,
  )
  assert.deepEqual(counted, ['read unreachable'])
  assert.deepEqual(said, ['down: no response within 5 ms'])
})

test('one word when it goes, one when it is back, whatever the number of calls', async () => {
  const { call, said, isFaulty } = createWorld()
  for (let i = 0; i < 5; i++) await call('read', works)
  for (let i = 0; i < 5; i++) await assert.rejects(call('claim', apart))
  assert.ok(isFaulty())
  for (let i = 0; i < 5; i++) await call('read', works)
  assert.deepEqual(said, ['down: not connected', 'up'])
  assert.ok(!isFaulty())
})

test('a full Redis that answers reads is not back', async () => {
  const { call, said, counted } = createWorld()
  await assert.rejects(call('claim', full), /OOM/)
  await call('read', works)
  await call('ping', works)
  await call('doubt', works)
  assert.deepEqual(said, ['down: OOM command not allowed'])
  await call('claim', works)
  assert.deepEqual(said, ['down: OOM command not allowed', 'up'])
  assert.equal(counted[0], 'claim refused')
})

test('why not connected is said, where it is known', async () => {
  const { call, said } = createWorld(60_000, 'NOAUTH Authentication required.')
  await assert.rejects(call('read', apart))
  assert.deepEqual(said, ['down: not connected: NOAUTH Authentication required.'])
})

test('what is thrown holds nothing of what was sent', async () => {
  const { call } = createWorld()
  const error = Object.assign(new ReplyError('ERR wrong'), { command: { name: 'auth', args: ['a secret'] } })
  await call('read', fails(error)).then(
    () => assert.fail('it fails'),
    (thrown) => {
      assert.ok(!JSON.stringify(thrown).includes('secret'))
      assert.equal(thrown.command, undefined)
      assert.equal(thrown.cause, undefined)
    },
  )
})

test('a read-only Redis is not back because a connection to it is made anew', async () => {
  const { call, said, isFaulty } = createWorld()
  await assert.rejects(call('claim', fails(new ReplyError('READONLY You can’t write against a read only replica.'))))
  await assert.rejects(call('read', apart))
  await call('ping', works)
  assert.ok(isFaulty())
  await call('offer', works)
  assert.deepEqual(said.slice(1), ['up'])
})

test('a call that was under way when Redis came back says nothing of it by its failure', async () => {
  const { call, said, isFaulty } = createWorld()
  await assert.rejects(call('read', apart))
  const late = Promise.withResolvers<never>()
  const waiting = call('read', () => late.promise)
  await call('ping', works)
  late.reject(new Error('Connection is closed.'))
  await assert.rejects(waiting)
  assert.ok(!isFaulty())
  assert.deepEqual(said.slice(1), ['up'])
})

test('an answer that came while we were busy with other things is not late', async () => {
  const { call, said } = createWorld(5)
  await new Promise(setImmediate) // from here on timers come before what is read
  const answered = call('read', () => new Promise((resolve) => setImmediate(() => resolve('OK'))))
  const busyUntil = performance.now() + 20
  while (performance.now() < busyUntil);
  assert.equal(await answered, 'OK')
  assert.deepEqual(said, [])
})
