import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { testKey } from '../support/gateway.ts'
import { scrape } from '../support/metrics.ts'
import { findFreePort } from '../support/port.ts'
import { createSignal } from '../support/wait.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

/** With these arguments, elastauth waits for a slow reader of its log when it ends. */
const patient = ['--import', new URL('../support/patient-exit.ts', import.meta.url).href]

/** Thousands of requests take a while on a busy machine. */
const options = { timeout: 600_000 }

for (const format of ['json', 'text']) {
  describe(`log_format ${format}`, () => {
    test(`with log_format ${format}, requests succeed and SIGTERM exits with 0 while the disk is full`, {
      ...options,
      skip: !existsSync('/dev/full') && 'there is no /dev/full',
    }, async () => {
      const gateway = await start(format, '/dev/full')
      await gateway.sendRequests(500)
      assert.equal(await gateway.stop(), 0)
    })

    test(
      `with log_format ${format}, thousands of requests succeed and SIGTERM exits with 0 while the log's reader stalls`,
      options,
      async () => {
        const gateway = await start(format)
        await gateway.stall(format)
        assert.equal(await gateway.stop(), 0)
        assert.doesNotMatch(gateway.output(), /stopped/)
      },
    )

    test(
      `with log_format ${format}, a log reader that resumes after a stall receives every line in order`,
      options,
      async () => {
        const gateway = await start(format, undefined, patient)
        const count = await gateway.stall(format)
        const ended = gateway.stop()
        gateway.stdout!.resume()
        assert.equal(await ended, 0)
        assertComplete(gateway.output(), count)
      },
    )

    test(`with log_format ${format}, a log file contains every line in order`, options, async () => {
      const file = join(directory, format)
      const gateway = await start(format, file, patient)
      await gateway.sendRequests(100)
      assert.equal(await gateway.stop(), 0)
      assertComplete(readFileSync(file, 'utf8'), 100)
    })
  })
}

test(
  'the buffer for unread log lines is limited, and the log and the metrics report how many lines were lost',
  options,
  async () => {
    const gateway = await start('json')
    gateway.stdout!.pause()
    const sent = 6000
    await gateway.sendRequests(sent, 'x'.repeat(1800)) // each log line contains the path twice: about 22 MB
    gateway.stdout!.resume()
    while (!gateway.output().includes('log lines were lost')) await sleep(20)
    const counted = (await scrape(gateway.url))('elastauth_log_lines_lost_total')
    assert.equal(await gateway.stop(), 0)
    const lost = Number(/"message":"(\d+) log lines were lost/.exec(gateway.output())?.[1])
    assert.ok(lost > 100 && lost < sent / 2, `${lost}`)
    assert.equal(counted, lost)
    assert.equal(gateway.output().match(/xxx 200/g)?.length, sent - lost)
  },
)

for (const [what, preload] of Object.entries({
  'an uncaught exception': 'throw new Error("boom")',
  'an unhandled rejection': 'Promise.reject(new Error("boom"))',
})) {
  test(`${what} ends elastauth with 1, after the buffered lines and the stack trace are logged`, options, async () => {
    const crashing = `data:text/javascript,process.on("SIGUSR2", () => { ${preload} })`
    const gateway = await start('json', undefined, [...patient, '--import', crashing])
    const count = await gateway.stall('json')
    const ended = gateway.stop('SIGUSR2')
    await new Promise(setImmediate)
    gateway.stdout!.resume()
    assert.equal(await ended, 1)
    const lines = gateway.output().trimEnd().split('\n')
    const last = JSON.parse(lines.pop()!)
    assertNumbered(lines.join('\n'), count)
    assert.deepEqual([last['event.action'], last['log.level']], ['crashed', 'fatal'])
    assert.match(last['error.stack_trace'], /^Error: boom\n +at /)
  })
}

test(
  'two gateways that write thousands of lines to one pipe, of which some are long, tear no line while its reader is slow',
  options,
  async () => {
    const pipe = join(directory, 'pipe')
    execFileSync('mkfifo', [pipe])
    const reader = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(reader, 'close')
    const gateways = await Promise.all([start('json', pipe, patient), start('json', pipe, patient)])
    const count = 1500
    const sent = gateways.map(({ sendRequest }, gateway) =>
      sendAll(count, 20, (i) => sendRequest(`${gateway}-${i}-${'x'.repeat(i % 50 === 0 ? 2200 : (i * 37) % 1500)}`)),
    )
    await Promise.all(sent.map(({ half }) => half)) // nothing is read before, so the pipe is full
    const lines: string[] = []
    const { notify, waitFor } = createSignal()
    createInterface({ input: reader.stdout }).on('line', (line) => {
      lines.push(line)
      notify()
    })
    reader.stdout.on('data', () => {
      reader.stdout.pause()
      setImmediate(() => reader.stdout.resume())
    })
    await Promise.all(sent.map(({ all }) => all))
    await waitFor(() => (lines.length >= 2 * count ? lines : undefined))
    assert.deepEqual(await Promise.all(gateways.map(({ stop }) => stop())), [0, 0])
    await ended
    assert.ok(lines.every((line) => Buffer.byteLength(line) < 4096))
    const numbers = lines.flatMap((line) => /^\/(\d-\d+)-/.exec(JSON.parse(line)['url.path'])?.[1] ?? [])
    const expected = [0, 1].flatMap((gateway) => Array.from({ length: count }, (_, i) => `${gateway}-${i}`))
    assert.deepEqual(numbers.sort(), expected.sort())
  },
)

/** Sends requests, at most `concurrency` at a time. `half` resolves when half of them are answered. */
function sendAll(count: number, concurrency: number, send: (i: number) => Promise<void>) {
  const { promise: half, resolve } = Promise.withResolvers<void>()
  let next = 0
  let answered = 0
  async function sendSome(): Promise<void> {
    while (next < count) {
      await send(next++)
      if (++answered === count / 2) resolve()
    }
  }
  return { half, all: Promise.all(Array.from({ length: concurrency }, sendSome)) }
}

function assertComplete(output: string, count: number): void {
  assertNumbered(output, count)
  const [stopping, stopped, ...rest] = output.trimEnd().split('\n').slice(-2)
  assert.match(stopping!, /stopping/)
  assert.match(stopped!, /stopped/)
  assert.deepEqual(rest, [])
}

/** Requires the lines of all requests, in their order. */
function assertNumbered(output: string, count: number): void {
  const numbers = [...output.matchAll(/GET \/(\d+) 200/g)].map(([, number]) => Number(number))
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, i) => i),
  )
}

/** Starts elastauth without Elasticsearch, with its log in a file or a pipe, and waits until it responds. */
async function start(format: string, file?: string, nodeArguments: readonly string[] = []) {
  const port = await findFreePort()
  const output = file === undefined ? 'pipe' : openSync(file, 'a')
  const flags = `--listen 127.0.0.1:${port} --log_format ${format} --elasticsearch.dry_run true --default_roles viewer --enable_metrics true`
  const child: ChildProcess = spawn(process.execPath, [...nodeArguments, main, ...flags.split(' ')], {
    env: { PATH: process.env.PATH, ELASTAUTH_SECRET_KEY: testKey },
    stdio: ['ignore', output, 'inherit'],
  })
  if (typeof output === 'number') closeSync(output)
  const chunks: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (chunk) => chunks.push(chunk))
  after(() => child.kill('SIGKILL'))

  const url = `http://127.0.0.1:${port}`
  while (!(await isHealthy(url))) {
    assert.equal(child.exitCode, null)
    await sleep(20)
  }

  async function sendRequests(count: number, path = ''): Promise<void> {
    for (let i = 0; i < count; i++) await sendRequest(path || String(i))
  }

  async function sendRequest(path: string): Promise<void> {
    const response = await fetch(url, { headers: { 'Remote-User': 'bob', 'X-Forwarded-Uri': `/${path}` } })
    assert.equal(response.status, 200)
    await response.arrayBuffer()
  }

  return Object.freeze({
    url,
    sendRequest,
    sendRequests,
    stdout: child.stdout,
    output: () => chunks.join(''),
    /** Stops reading the log, and sends requests for far more lines than a pipe buffers. @returns their number */
    async stall(format: string): Promise<number> {
      child.stdout!.pause()
      const count = format === 'json' ? 2000 : 4000
      await sendRequests(count)
      return count
    },
    async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
      const ended = once(child, child.stdout ? 'close' : 'exit')
      child.kill(signal)
      const [code] = await ended
      return code
    },
  })
}

async function isHealthy(url: string): Promise<boolean> {
  return fetch(`${url}/elastauth/health`).then(
    ({ ok }) => ok,
    () => false,
  )
}
