import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createChain, deriveAuditKeys, type SealedRecord } from '../../../src/audit/chain.ts'
import { formatRecord } from '../../../src/audit/record.ts'
import { createSink } from '../../../src/audit/sink.ts'
import { createVerifier } from '../../../src/audit/verify.ts'
import type { Rejection } from '../../../src/es/create-documents.ts'
import { testKey } from '../../support/gateway.ts'

const keys = deriveAuditKeys([testKey])
const [keyId, key] = [...keys][0]!

type Mode = 'works' | 'fails' | 'blocks' | 'rejects'

/** A sink whose target works, fails or blocks as the test says. */
function createFixture({ maxBytes = 20_000, intervalMs = 0 } = {}) {
  let mode: Mode = 'works'
  let release = () => {}
  let now = 0
  const lines: string[] = []
  const told: string[] = []
  const target = {
    name: 'file' as const,
    intervalMs,
    async write(records: readonly SealedRecord[]): Promise<Rejection | undefined> {
      if (mode === 'blocks') await new Promise<void>((resolve) => (release = resolve))
      if (mode === 'fails') throw new Error('disk full')
      if (mode === 'rejects') return { count: 1, reason: 'wrong type' }
      lines.push(...records.map(({ line }) => line))
      return undefined
    },
    close: () => void told.push('closed'),
  }
  const sink = createSink(target, createChain(key), {
    about: { 'elastauth.audit.key': keyId },
    maxBytes,
    monotonicNow: () => now,
    onDown: (_, reason) => void told.push(`down: ${reason}`),
    onUp: (_, dropped) => void told.push(`up: ${dropped} dropped`),
    onLost: (_, events, reason) => void told.push(`lost ${events}: ${reason}`),
  })
  let sent = 0
  return {
    sink,
    lines,
    told,
    send(count: number) {
      for (let i = 0; i < count; i++) sink.accept(formatRecord({ 'event.action': 'test', number: sent++ }, 'test'))
    },
    sent: () => sent,
    set(next: Mode) {
      mode = next
      release()
      sink.retry()
    },
    advance(milliseconds: number) {
      now += milliseconds
    },
    async written(count: number) {
      while (sink.written() + sink.dropped() < count) {
        sink.retry()
        await setImmediate()
      }
    },
  }
}

/** The numbers of the events in these lines, and how many others are stated as dropped. Fails if the chain has a fault. */
function read(lines: readonly string[]): { numbers: number[]; dropped: number } {
  const verifier = createVerifier(keys, ({ place, problem }) => assert.fail(`${place}: ${problem}`))
  for (const [i, line] of lines.entries()) verifier.check(Buffer.from(line.slice(0, -1)), String(i))
  const numbers = lines.map((line) => JSON.parse(line)).filter((record) => record['event.action'] === 'test')
  return { numbers: numbers.map(({ number }) => number), dropped: verifier.summarize().dropped }
}

test('events are written in order, between a first and a last record', async () => {
  const { sink, lines, send, told } = createFixture()
  send(10)
  await sink.close(60_000)
  assert.deepEqual(read(lines), { numbers: Array.from({ length: 10 }, (_, i) => i), dropped: 0 })
  const actions = lines.map((line) => JSON.parse(line)['event.action'])
  assert.deepEqual([actions[0], actions.at(-1)], ['audit_started', 'audit_stopped'])
  assert.deepEqual(told, ['closed'])
  assert.deepEqual([sink.written(), sink.dropped()], [10, 0])
})

test('a sink pauses after a write only if it has too few events for a full write', async () => {
  const { sink, lines, send } = createFixture({ maxBytes: 10_000_000, intervalMs: 3_600_000 })
  send(10_000)
  await setImmediate()
  await setImmediate()
  const waiting = 10_000 - sink.written()
  assert.ok(waiting > 0 && waiting < 1000, `${waiting} events are left`)
  await sink.close(60_000)
  assert.equal(read(lines).numbers.length, 10_000)
})

test('100,000 events while the sink works, fails, blocks and works again are written or counted, and the records say how many are missing', async () => {
  const { sink, lines, send, set, sent, told, written } = createFixture({ maxBytes: 2_000_000 })
  for (const mode of ['works', 'blocks', 'works', 'fails', 'works'] as const) {
    set(mode)
    for (let i = 0; i < 20; i++) {
      send(1000)
      await setImmediate()
    }
    if (mode === 'works') await written(sent())
  }
  await sink.close(60_000)
  const { numbers, dropped } = read(lines)
  assert.equal(sent(), 100_000)
  assert.ok(dropped > 10_000, `${dropped}`)
  assert.equal(numbers.length + dropped, sent())
  assert.deepEqual([sink.written(), sink.dropped()], [numbers.length, dropped])
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(numbers).size, numbers.length)
  const counted = told.filter((text) => text.startsWith('up')).map((text) => Number(/\d+/.exec(text)![0]))
  assert.equal(
    counted.reduce((sum, one) => sum + one),
    dropped,
  )
  assert.ok(lines.filter((line) => line.includes('audit_events_dropped')).length >= 2)
})

test('an event that is not written before the process ends is counted and reported', async () => {
  const { sink, send, set, told } = createFixture()
  set('blocks')
  send(5)
  await sink.close(1)
  send(1)
  assert.deepEqual([sink.written(), sink.dropped()], [0, 6])
  assert.deepEqual(told, ['closed', 'lost 5: they were not written before the process ended'])
})

test('rejected events are counted as dropped and reported', async () => {
  const { sink, send, set, told, written } = createFixture()
  await setImmediate()
  await setImmediate()
  set('rejects')
  send(3)
  await written(3)
  assert.deepEqual([sink.written(), sink.dropped()], [2, 1])
  assert.deepEqual(told, ['lost 1: wrong type'])
  set('works')
  await sink.close(60_000)
})

test('a sink has a fault while its buffer is more than half full, or nothing was written for 5 seconds', async () => {
  const { sink, send, set, advance, written, sent } = createFixture()
  assert.equal(sink.findFault(), undefined)
  set('blocks')
  send(1)
  advance(5000)
  assert.equal(sink.findFault(), undefined)
  advance(1)
  assert.equal(sink.findFault(), 'nothing was written for 5 seconds')
  send(40)
  assert.equal(sink.findFault(), 'its buffer is more than half full')
  set('works')
  await written(sent())
  assert.equal(sink.findFault(), undefined)
  advance(60_000)
  assert.equal(sink.findFault(), undefined, 'nothing waits')
  await sink.close(60_000)
})

test('a fault of the sink is reported once, with its reason, and so is its end', async () => {
  const { sink, send, set, told, written, sent } = createFixture()
  set('fails')
  send(1)
  for (let i = 0; i < 50; i++) {
    sink.retry()
    await setImmediate()
  }
  assert.deepEqual(told, ['down: disk full'])
  set('works')
  await written(sent())
  assert.deepEqual(told, ['down: disk full', 'up: 0 dropped'])
  await sink.close(60_000)
})
