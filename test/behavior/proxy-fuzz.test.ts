import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAttack } from '../support/fuzz/mutate.ts'
import { clientAddressOf, createOracle } from '../support/fuzz/oracle.ts'
import { createRandom } from '../support/fuzz/random.ts'
import { parseStrictly, type StrictRequest } from '../support/fuzz/strict-request.ts'
import { findResponseFault } from '../support/fuzz/strict-response.ts'
import { findFreePort } from '../support/port.ts'
import { openRaw, type RawConnection } from '../support/raw-http.ts'
import { startProxy, startTcpUpstream } from '../support/upstream.ts'

/** The full run has 1,000,000 attacks and takes some 15 minutes. An attack depends only on the seed and its number. */
const count = Number(process.env.FUZZ_REQUESTS ?? 20_000)
const seconds = Number(process.env.FUZZ_SECONDS ?? 120)
const seed = Number(process.env.FUZZ_SEED ?? 1)
const first = Number(process.env.FUZZ_FIRST ?? 0)
const concurrency = 64
/** After this much silence no further response is expected. */
const quietMs = 50
/** Requests of an attack may reach the upstream late, but not after this many further attacks. */
const rememberedAttacks = 5_000

const oracle = createOracle()
const counts = { attacks: 0, completeRequests: 0, truncatedRequests: 0, responses: 0 }

/** Encodes the attack's number in the client's loopback address. Only the gateway tells the upstream that address. */
const addressOf = (number: number) => `127.${1 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`

/** Parses strictly, so that the gateway may send nothing ambiguous. */
function onUpstreamConnection(socket: Socket): void {
  let pending = ''
  socket.on('data', (chunk) => {
    pending = handleRequests(socket, pending + chunk.toString('latin1'))
  })
  socket.on('close', () => {
    const parsed = parseStrictly(pending)
    if (parsed.kind !== 'partial' || parsed.head === undefined) return
    counts.truncatedRequests++
    oracle.check(parsed.head, false)
  })
}

/** @returns the bytes after the last complete request */
function handleRequests(socket: Socket, bytes: string): string {
  let rest = bytes
  for (;;) {
    const parsed = parseStrictly(rest)
    if (parsed.kind === 'invalid') oracle.fail(`the upstream received an invalid request: ${parsed.reason}`, '', rest)
    if (parsed.kind !== 'complete') return rest
    rest = parsed.rest
    counts.completeRequests++
    oracle.check(parsed.request, true)
    respond(socket, parsed.request)
  }
}

function respond(socket: Socket, request: StrictRequest): void {
  const body = request.method === 'HEAD' ? '' : `<${clientAddressOf(request)}>`
  const response = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  // Every fourth response is sent in two parts, so that something can interfere in the middle of it.
  const delayed = counts.completeRequests % 4 === 0 ? body.length >> 1 : 0
  socket.write(response.slice(0, response.length - delayed))
  if (delayed > 0) setTimeout(() => socket.write(response.slice(-delayed)), 2)
}

async function attack(number: number, port: number): Promise<void> {
  const random = createRandom(seed, number)
  const address = addressOf(number)
  const bytes = createAttack(random, `user-${number % 50}`)
  const expectedResponses = oracle.expect(address, bytes)
  oracle.forget(addressOf(number - rememberedAttacks))
  const client = openRaw(port, { localAddress: address })
  for (let at = 0; at < bytes.length; ) {
    const end = random.oneIn(3) ? at + 1 + random.below(bytes.length) : bytes.length
    client.send(bytes.slice(at, end))
    at = end
    if (at < bytes.length) await new Promise((resolve) => setImmediate(resolve))
  }
  await waitForResponses(client, expectedResponses)
  client.socket.end()
  const text = await client.closed
  counts.attacks++
  counts.responses += countResponses(text)
  const fault = findResponseFault(text, `<${address}>`, bytes.includes('HEAD'))
  if (fault !== undefined) oracle.fail(fault, address, text)
}

/** Resolves when the expected number of responses has arrived, or nothing has arrived for `quietMs`. */
async function waitForResponses({ received, socket, closed }: RawConnection, expected: number): Promise<void> {
  for (let length = -1; length < received().length && countResponses(received()) < expected; ) {
    length = received().length
    await Promise.race([once(socket, 'data').catch(() => {}), closed, sleep(quietMs)])
  }
}

/** Without informational responses (1xx). */
function countResponses(text: string): number {
  return text.match(/HTTP\/1\.1 [2-5]\d\d /g)?.length ?? 0
}

test(`of ${count} mutated requests, the upstream receives only requests that a user sent, each with that user's credential`, async (context) => {
  const upstream = await startTcpUpstream(onUpstreamConnection)
  const listen = `127.0.0.1:${await findFreePort()}` // at this log level the gateway does not report its port
  const gateway = await startProxy(upstream.url, { flags: { log_level: 'error', listen } })
  const port = Number(new URL(gateway.url).port)
  const deadline = performance.now() + seconds * 1000
  let next = first
  const mayContinue = () =>
    oracle.failures.length === 0 && gateway.process.exitCode === null && performance.now() < deadline
  const runAttacks = async () => {
    while (next < first + count && mayContinue()) await attack(next++, port)
  }
  await Promise.all(Array.from({ length: concurrency }, runAttacks))
  context.diagnostic(JSON.stringify(counts))
  assert.deepEqual(oracle.failures, [])
  assert.equal(gateway.process.exitCode, null, gateway.output())
  assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
  const internalErrors = gateway.log.filter((line) => line['error.code'] === 'internal')
  assert.deepEqual(internalErrors, [])
})
