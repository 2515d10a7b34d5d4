import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createChain, deriveAuditKeys } from '../../../src/audit/chain.ts'
import { formatOwnRecord, formatRecord } from '../../../src/audit/record.ts'
import { createVerifier, type RecordFault, type Summary } from '../../../src/audit/verify.ts'
import { testKey } from '../../support/gateway.ts'

const keys = deriveAuditKeys([testKey])
const [[keyId, key]] = [...keys] as [[string, typeof keys extends ReadonlyMap<string, infer K> ? K : never]]

/** The lines of a chain with this many events. */
function writeChain(events: number, { dropped = 0, isFinished = true } = {}): string[] {
  const chain = createChain(key)
  const bodies: [body: string, gap: number][] = [
    [formatOwnRecord('audit_started', { 'elastauth.audit.key': keyId }, 'begins'), 0],
    ...Array.from({ length: events }, (_, i): [string, number] => [formatRecord({ 'user.name': `user ${i}` }, 'x'), 0]),
  ]
  if (dropped > 0)
    bodies.push([formatOwnRecord('audit_events_dropped', { 'elastauth.audit.dropped': dropped }, 'dropped'), dropped])
  if (isFinished) bodies.push([formatOwnRecord('audit_stopped', {}, 'ends'), 0])
  return bodies.map(([body, gap]) => chain.seal(body, gap).line)
}

function verify(text: string | Buffer, withKeys = keys): { faults: RecordFault[]; summary: Summary } {
  const faults: RecordFault[] = []
  const verifier = createVerifier(withKeys, (fault) => faults.push(fault))
  const bytes = Buffer.from(text)
  let [start, number] = [0, 1]
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    verifier.check(bytes.subarray(start, end), `line ${number++}`)
    start = end + 1
  }
  verifier.checkEnd(bytes.subarray(start), `line ${number}`)
  return { faults, summary: verifier.summarize() }
}

const problemsIn = (text: string | Buffer, withKeys = keys) =>
  verify(text, withKeys).faults.map(({ place, problem }) => `${place}: ${problem}`)

describe('the records of an audit log', () => {
  test('an unchanged chain has no fault, also one with dropped events and one without a last record', () => {
    const finished = writeChain(5, { dropped: 7 })
    const unfinished = writeChain(2, { isFinished: false })
    const { faults, summary } = verify([...finished, ...unfinished].join(''))
    assert.deepEqual(faults, [])
    assert.equal(summary.records, 11)
    assert.equal(summary.dropped, 7)
    assert.equal(summary.chains, 2)
    assert.deepEqual(summary.unfinished, [JSON.parse(unfinished[0]!)['elastauth.audit.chain']])
  })

  test('chains of several processes may be interleaved', () => {
    const [a, b] = [writeChain(4), writeChain(4)]
    assert.deepEqual(problemsIn(a.flatMap((line, i) => [line, b[i]!]).join('')), [])
  })

  test('every change of a single byte is found', () => {
    const bytes = Buffer.from(writeChain(3, { dropped: 2 }).join(''))
    for (let i = 0; i < bytes.length; i++) {
      const original = bytes[i]!
      for (const other of [original ^ 1, original ^ 0x80, 10, 48].filter((one) => one !== original)) {
        bytes[i] = other
        assert.notDeepEqual(problemsIn(bytes), [], `byte ${i} is ${other} instead of ${original}`)
      }
      bytes[i] = original
    }
    assert.deepEqual(problemsIn(bytes), [])
  })

  test('every removal of a record is found, except of the last ones', () => {
    const lines = writeChain(6, { dropped: 2 })
    for (let i = 0; i < lines.length - 1; i++)
      assert.notDeepEqual(problemsIn(lines.toSpliced(i, 1).join('')), [], `line ${i + 1}`)
    const { faults, summary } = verify(lines.slice(0, -1).join(''))
    assert.deepEqual(faults, [])
    assert.equal(summary.unfinished.length, 1)
  })

  test('every swap, every repetition and every removal of a part of a line is found', () => {
    const lines = writeChain(5)
    for (let i = 0; i < lines.length; i++) {
      for (let j = 0; j < i; j++) {
        const swapped = lines.with(i, lines[j]!).with(j, lines[i]!)
        assert.notDeepEqual(problemsIn(swapped.join('')), [], `lines ${i + 1} and ${j + 1} swapped`)
      }
      for (let j = 0; j <= lines.length; j++)
        assert.notDeepEqual(
          problemsIn(lines.toSpliced(j, 0, lines[i]!).join('')),
          [],
          `line ${i + 1} again at ${j + 1}`,
        )
      for (const length of [1, 20, lines[i]!.length - 1])
        assert.notDeepEqual(
          problemsIn(lines.with(i, lines[i]!.slice(0, length)).join('')),
          [],
          `line ${i + 1}: ${length}`,
        )
    }
  })

  test('a record of another chain, or of another place in the same chain, does not fit in', () => {
    const [a, b] = [writeChain(5), writeChain(5)]
    for (let i = 0; i < a.length; i++) assert.notDeepEqual(problemsIn(a.with(i, b[i]!).join('')), [])
  })

  test('a fault names the place, the record and what happened to it', () => {
    const lines = writeChain(4)
    const id = JSON.parse(lines[0]!)['elastauth.audit.chain']
    assert.deepEqual(problemsIn(lines.toSpliced(2, 2).join('')), [
      `line 3: record 5 of chain ${id} follows record 2: 2 before it are missing or out of order`,
    ])
    assert.deepEqual(problemsIn(lines.slice(2).join('')), [
      `line 1: chain ${id} begins with record 3: what is before it is missing`,
    ])
    assert.deepEqual(problemsIn(lines.with(2, lines[2]!.replace('user 1', 'user 2')).join('')), [
      `line 3: record 3 of chain ${id} was changed, or it or the record before it is not from elastauth`,
    ])
    assert.deepEqual(problemsIn(lines.toSpliced(3, 0, lines[2]!).join('')), [
      `line 4: record 3 of chain ${id} is repeated or out of order: it follows record 3`,
    ])
    assert.deepEqual(problemsIn(`${lines.join('')}{"message":"hello"}\n{"mess`), [
      'line 7: not a record of the audit log',
      'line 8: the last line is cut off',
    ])
  })

  test('a chain with a former secret key is accepted only if that key is known', () => {
    const text = writeChain(3).join('')
    const other = 'ab'.repeat(32)
    assert.deepEqual(problemsIn(text, deriveAuditKeys([other, testKey])), [])
    const problems = problemsIn(text, deriveAuditKeys([other]))
    assert.match(problems[0]!, /was written with the secret key "[0-9a-f]{8}", which is not configured/)
  })

  test('without its beginning, the rest of a chain is checked with each known key', () => {
    const rest = writeChain(5).slice(2)
    const both = deriveAuditKeys(['ab'.repeat(32), testKey])
    assert.equal(problemsIn(rest.join(''), both).length, 1)
    assert.equal(problemsIn(rest.with(2, rest[2]!.replace('user', 'abcd')).join(''), both).length, 2)
  })

  test('a number of dropped events that hides removed records is found', () => {
    const lines = writeChain(4, { dropped: 1 })
    const forged = lines.toSpliced(3, 2).join('').replace('"elastauth.audit.dropped":1', '"elastauth.audit.dropped":3')
    assert.equal(problemsIn(forged).length, 1)
  })
})

test('names with line breaks, quotes and invalid characters stay within their record', () => {
  const evil = 'a\n{"event.action":"audit_stopped"}\r\u2028"\\\ud800\0'
  const body = formatRecord({ 'user.name': evil, 'url.path': evil, 'elastauth.request.indices': [evil] }, evil)
  assert.doesNotMatch(body, /[\n\r\0]/)
  assert.equal(JSON.parse(`${body}}`)['user.name'], evil)
  assert.match(body, /\\ud800/)
})

test('a record is never longer than a pipe accepts at once, and stays JSON', () => {
  const long = '\u20ac"'.repeat(3000)
  const body = formatRecord({ 'url.path': long, 'user.name': long.slice(0, 255) }, long)
  const { line } = createChain(key).seal(body, 0)
  assert.ok(Buffer.byteLength(line) <= 4096, `${Buffer.byteLength(line)}`)
  assert.deepEqual(problemsIn(line.replace(/^/, '')).length, 1)
  JSON.parse(line)
})
