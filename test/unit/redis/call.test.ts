import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplyError } from 'ioredis'
import { createRedisCall } from '../../../src/redis/call.ts'

function createTestBed(timeoutMs = 60_000, reason?: string) {
  const counted: string[] = []
  const events: string[] = []
  const redis = createRedisCall({
    timeoutMs,
    disconnectReason: () => reason,
    reconnect: () => events.push('reconnect'),
    countCall: (operation, result) => counted.push(`${operation} ${result}`),
    monotonicNow: () => 0,
    onStateChange: (change) => events.push(change.state === 'up' ? 'up' : `down: ${change.reason}`),
  })
  return { ...redis, counted, events }
}

const succeed = async () => 'OK'
const failWith = (error: Error) => () => Promise.reject(error)
const failAsFull = failWith(new ReplyError('OOM command not allowed'))
const failAsDisconnected = failWith(new Error('Connection is closed.'))

test('a call to Redis without a response is rejected after its timeout', async () => {
  const { call, counted, events } = createTestBed(5)
  await assert.rejects(
    call('read', () => new Promise(() => {})),
    /no response within 5 ms/,
  )
  assert.deepEqual(counted, ['read unreachable'])
  assert.deepEqual(events, ['down: no response within 5 ms'])
})

test('each outage and each recovery of Redis is reported once, however many calls there are', async () => {
  const { call, events, isFaulty } = createTestBed()
  for (let i = 0; i < 5; i++) await call('read', succeed)
  for (let i = 0; i < 5; i++) await assert.rejects(call('acquire_lock', failAsDisconnected))
  assert.ok(isFaulty())
  for (let i = 0; i < 5; i++) await call('read', succeed)
  assert.deepEqual(events, ['down: not connected', 'up'])
  assert.ok(!isFaulty())
})

test('a full Redis is reported as recovered after a successful write, not after a read', async () => {
  const { call, events, counted } = createTestBed()
  await assert.rejects(call('acquire_lock', failAsFull), /OOM/)
  await call('read', succeed)
  await call('ping', succeed)
  await call('taint', succeed)
  assert.deepEqual(events, ['down: OOM command not allowed'])
  await call('acquire_lock', succeed)
  assert.deepEqual(events, ['down: OOM command not allowed', 'up'])
  assert.equal(counted[0], 'acquire_lock refused')
})

test('the report of a Redis outage contains the reason of the disconnect if it is known', async () => {
  const { call, events } = createTestBed(60_000, 'NOAUTH Authentication required.')
  await assert.rejects(call('read', failAsDisconnected))
  assert.deepEqual(events, ['down: not connected: NOAUTH Authentication required.'])
})

test('the report of a Redis outage contains no control character, because a service or an intermediary may choose a part of it', async () => {
  const replied = createTestBed()
  await assert.rejects(replied.call('read', failWith(new ReplyError('ERR \u001b[31m\u009b31m'))))
  assert.deepEqual(replied.events, ['down: ERR \\u001b[31m\\u009b31m'])
  const disconnected = createTestBed(60_000, 'ERR \u009b31m')
  await assert.rejects(disconnected.call('read', failAsDisconnected))
  assert.deepEqual(disconnected.events, ['down: not connected: ERR \\u009b31m'])
})

test("the error of a failed call to Redis does not contain the call's arguments", async () => {
  const { call } = createTestBed()
  const error = Object.assign(new ReplyError('ERR wrong'), { command: { name: 'auth', args: ['a secret'] } })
  await call('read', failWith(error)).then(
    () => assert.fail('the call succeeds'),
    (thrown) => {
      assert.ok(!JSON.stringify(thrown).includes('secret'))
      assert.equal(thrown.command, undefined)
      assert.equal(thrown.cause, undefined)
    },
  )
})

test('a read-only Redis is reported as recovered after a successful write, not after a reconnect', async () => {
  const { call, events, isFaulty } = createTestBed()
  await assert.rejects(
    call('acquire_lock', failWith(new ReplyError("READONLY You can't write against a read only replica."))),
  )
  await assert.rejects(call('read', failAsDisconnected))
  await call('ping', succeed)
  assert.ok(isFaulty())
  await call('compare_and_set', succeed)
  assert.deepEqual(events.slice(1), ['up'])
})

test('the failure of a call that began before the recovery of Redis does not report a new outage', async () => {
  const { call, events, isFaulty } = createTestBed()
  await assert.rejects(call('read', failAsDisconnected))
  const late = Promise.withResolvers<never>()
  const pending = call('read', () => late.promise)
  await call('ping', succeed)
  late.reject(new Error('Connection is closed.'))
  await assert.rejects(pending)
  assert.ok(!isFaulty())
  assert.deepEqual(events.slice(1), ['up'])
})

test('a Redis response that arrives while the event loop is blocked is accepted even after the timeout', async () => {
  const { call, events } = createTestBed(5)
  await new Promise(setImmediate) // from here on, timers run before sockets are read
  const pending = call('read', () => new Promise((resolve) => setImmediate(() => resolve('OK'))))
  const busyUntil = performance.now() + 20
  while (performance.now() < busyUntil);
  assert.equal(await pending, 'OK')
  assert.deepEqual(events, [])
})
