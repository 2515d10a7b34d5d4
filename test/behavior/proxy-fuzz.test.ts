import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { countResponses, openFuzzClient } from '../support/fuzz/client.ts'
import { createAttack } from '../support/fuzz/mutate.ts'
import { addressIn, createOracle } from '../support/fuzz/oracle.ts'
import { createRandom } from '../support/fuzz/random.ts'
import { parseStrictly } from '../support/fuzz/strict-request.ts'
import { findResponseFault } from '../support/fuzz/strict-response.ts'
import { findFreePort } from '../support/port.ts'
import { startProxy, startTcpUpstream } from '../support/upstream.ts'

/** 1,000,000 is the full run, of some 15 minutes. The same seed and number make the same attack. */
const count = Number(process.env.FUZZ_REQUESTS ?? 20_000)
const seconds = Number(process.env.FUZZ_SECONDS ?? 120)
const seed = Number(process.env.FUZZ_SEED ?? 1)
const first = Number(process.env.FUZZ_FIRST ?? 0)
const lanes = 64
/** Attacks whose late requests we can still judge. */
const remembered = 5_000

const judge = createOracle()
const seen = { attacks: 0, whole: 0, cutOff: 0, answers: 0 }

/** The attack's number, as the loopback address that its client has: the upstream hears of it from the gateway alone. */
const addressOf = (number: number) => `127.${1 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`

/** Reads by the letter, so that nothing the gateway sends may be read in two ways. */
function onUpstreamConnection(socket: Socket): void {
  let pending = ''
  socket.on('data', (chunk) => {
    pending += chunk.toString('latin1')
    for (;;) {
      const parsed = parseStrictly(pending)
      if (parsed.kind === 'broken') judge.fail(`the upstream could not read ${parsed.why}`, '', pending)
      if (parsed.kind !== 'whole') return
      const { request, rest } = parsed
      pending = rest
      seen.whole++
      judge.check(request, true)
      const body = request.method === 'HEAD' ? '' : `<${addressIn(request)}>`
      const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      // The end of some comes late, so that there is a middle of them to get into.
      const late = seen.whole % 4 === 0 ? body.length >> 1 : 0
      socket.write(answer.slice(0, answer.length - late))
      if (late > 0) setTimeout(() => socket.write(answer.slice(-late)), 2)
    }
  })
  socket.on('close', () => {
    const parsed = parseStrictly(pending)
    if (parsed.kind !== 'partial' || parsed.head === undefined) return
    seen.cutOff++
    judge.check(parsed.head, false)
  })
}

async function attack(number: number, port: number): Promise<void> {
  const random = createRandom(seed, number)
  const address = addressOf(number)
  const bytes = createAttack(random, `user-${number % 50}`)
  const whole = judge.expect(address, bytes)
  judge.forget(addressOf(number - remembered))
  const client = await openFuzzClient(port, address)
  for (let at = 0; at < bytes.length; ) {
    const end = random.oneIn(3) ? at + 1 + random.below(bytes.length) : bytes.length
    client.send(bytes.slice(at, end))
    at = end
    if (at < bytes.length) await new Promise((resolve) => setImmediate(resolve))
  }
  await client.waitForResponses(whole)
  const text = await client.close()
  seen.attacks++
  seen.answers += countResponses(text)
  const fault = findResponseFault(text, `<${address}>`, bytes.includes('HEAD'))
  if (fault !== undefined) judge.fail(fault, address, text)
}

test(`${count} damaged requests: the upstream reads what was sent, by whom it was sent, or nothing`, async (context) => {
  const upstream = await startTcpUpstream(onUpstreamConnection)
  const listen = `127.0.0.1:${await findFreePort()}` // the gateway is too quiet to say which one it took
  const gateway = await startProxy(upstream.url, { flags: { log_level: 'error', listen } })
  const port = Number(new URL(gateway.url).port)
  const end = performance.now() + seconds * 1000
  let next = first
  const isOn = () => judge.failures.length === 0 && gateway.process.exitCode === null && performance.now() < end
  const lane = async () => {
    while (next < first + count && isOn()) await attack(next++, port)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  context.diagnostic(JSON.stringify(seen))
  assert.deepEqual(judge.failures, [])
  assert.equal(gateway.process.exitCode, null, gateway.output())
  assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
  const unforeseen = gateway.log.filter((line) => line['error.code'] === 'internal')
  assert.deepEqual(unforeseen, [])
})
