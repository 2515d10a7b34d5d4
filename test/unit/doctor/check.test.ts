import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config } from '../../../config/schema.ts'
import { type Check, deadlineOf, failure, ok, runChecks, skipped, splitFix } from '../../../src/doctor/check.ts'
import { GatewayError } from '../../../src/http/errors.ts'

const never = new AbortController().signal
const check = (id: string, run: Check['run'], after?: string): Check => ({ id, title: id.toUpperCase(), run, after })
const statuses = (results: readonly { id: string; status: string }[]) => results.map(({ id, status }) => [id, status])

test('checks run at the same time, and the results have the order of the checks', async () => {
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>())
  let running = 0
  const checks = gates.map(({ promise }, index) =>
    check(`c${index}`, async () => {
      if (++running === gates.length) for (const gate of gates.toReversed()) gate.resolve()
      await promise
      return ok('fine')
    }),
  )
  let done = 0
  const results = await runChecks(checks, { deadlineMs: 4500, signal: never, onDone: () => void done++ })
  assert.deepEqual(statuses(results), [
    ['c0', 'ok'],
    ['c1', 'ok'],
    ['c2', 'ok'],
  ])
  assert.equal(done, 3)
})

test('at the deadline a check without a result has failed, and what depends on it is skipped', async () => {
  const deadline = new AbortController()
  const signals: AbortSignal[] = []
  const checks = [
    check('dead', (signal) => {
      signals.push(signal)
      queueMicrotask(() => deadline.abort())
      return new Promise(() => {})
    }),
    check('alive', async () => ok('fine')),
    check('next', () => assert.fail('runs although its dependency has failed'), 'dead'),
    check('last', () => assert.fail('runs although its dependency was skipped'), 'next'),
  ]
  const results = await runChecks(checks, { deadlineMs: 4500, signal: deadline.signal })
  assert.deepEqual(statuses(results), [
    ['dead', 'failure'],
    ['alive', 'ok'],
    ['next', 'skipped'],
    ['last', 'skipped'],
  ])
  assert.equal(results[0]!.detail, 'no result within 4.5 s')
  assert.equal(results[2]!.detail, 'needs "DEAD" to succeed')
  assert.ok(signals[0]!.aborted)
})

test('a check runs as soon as one of those that it depends on has succeeded, even if another one never ends', async () => {
  const deadline = new AbortController()
  const checks = [
    check('host', () => new Promise(() => {})),
    check('host', async () => ok('fine')),
    check(
      'login',
      async () => {
        setImmediate(() => deadline.abort()) // only then does the first host end
        return ok('fine')
      },
      'host',
    ),
  ]
  const results = await runChecks(checks, { deadlineMs: 4500, signal: deadline.signal })
  assert.deepEqual(statuses(results), [
    ['host', 'failure'],
    ['host', 'ok'],
    ['login', 'ok'],
  ])
})

test('a check may report several findings, and one that throws has failed with the fix that the error names', async () => {
  const results = await runChecks(
    [
      check('several', async () => [ok('fine'), failure('bad', 'mend it'), skipped('no')]),
      check('throws', () =>
        Promise.reject(new GatewayError('elasticsearch_rejected', 'it lacks a right: give it a role')),
      ),
    ],
    { deadlineMs: 4500, signal: never },
  )
  assert.deepEqual(statuses(results), [
    ['several', 'ok'],
    ['several', 'failure'],
    ['several', 'skipped'],
    ['throws', 'failure'],
  ])
  assert.deepEqual([results[3]!.detail, results[3]!.fix], ['it lacks a right', 'give it a role'])
})

test('texts of servers cannot control the terminal or fill it', async () => {
  const hostile = `\x1b[2J\u009b31m\n${'x'.repeat(5000)}`
  const [result] = await runChecks([check('hostile', async () => failure(hostile, hostile))], {
    deadlineMs: 4500,
    signal: never,
  })
  for (const text of [result!.detail, result!.fix!]) {
    assert.doesNotMatch(text, /[\0-\x1f\x7f-\x9f]/)
    assert.ok(text.length < 2100)
  }
})

test('a message is split before its advice only', () => {
  assert.deepEqual(splitFix('connect ECONNREFUSED 127.0.0.1:9'), ['connect ECONNREFUSED 127.0.0.1:9', undefined])
  assert.deepEqual(splitFix('ConnectionError: reset; write https:// here'), [
    'ConnectionError: reset',
    'write https:// here',
  ])
})

test('the checks have 4.5 s, or half of a longer elasticsearch.timeout', () => {
  const config = (timeout: number) => ({ elasticsearch: { timeout } }) as Config
  assert.deepEqual(
    [100, 10_000, 60_000].map((timeout) => deadlineOf(config(timeout))),
    [4500, 4500, 29_500],
  )
})
