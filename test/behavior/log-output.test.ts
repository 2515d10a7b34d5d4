import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { testKey } from '../support/gateway.ts'
import { findFreePort } from '../support/port.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

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
        const gateway = await start(format)
        const count = await gateway.stall(format)
        const ended = gateway.stop()
        gateway.stdout!.resume()
        assert.equal(await ended, 0)
        assertComplete(gateway.output(), count)
      },
    )

    test(`with log_format ${format}, a log file contains every line in order`, options, async () => {
      const file = join(directory, format)
      const gateway = await start(format, file)
      await gateway.sendRequests(100)
      assert.equal(await gateway.stop(), 0)
      assertComplete(readFileSync(file, 'utf8'), 100)
    })
  })
}

test('the buffer for unread log lines is limited, and the log reports how many lines were lost', options, async () => {
  const gateway = await start('json')
  gateway.stdout!.pause()
  const sent = 6000
  await gateway.sendRequests(sent, 'x'.repeat(1800)) // each log line contains the path twice: about 22 MB
  gateway.stdout!.resume()
  while (!gateway.output().includes('log lines were lost')) await sleep(20)
  assert.equal(await gateway.stop(), 0)
  const lost = Number(/"message":"(\d+) log lines were lost/.exec(gateway.output())?.[1])
  assert.ok(lost > 100 && lost < sent / 2, `${lost}`)
  assert.equal(gateway.output().match(/xxx 200/g)?.length, sent - lost)
})

function assertComplete(output: string, count: number): void {
  const numbers = [...output.matchAll(/GET \/(\d+) 200/g)].map(([, number]) => Number(number))
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, i) => i),
  )
  const [stopping, stopped, ...rest] = output.trimEnd().split('\n').slice(-2)
  assert.match(stopping!, /stopping/)
  assert.match(stopped!, /stopped/)
  assert.deepEqual(rest, [])
}

/** Starts elastauth without Elasticsearch, with its log in a file or a pipe, and waits until it responds. */
async function start(format: string, file?: string) {
  const port = await findFreePort()
  const output = file === undefined ? 'pipe' : openSync(file, 'a')
  const flags = `--listen 127.0.0.1:${port} --log_format ${format} --elasticsearch.dry_run true --default_roles viewer`
  const child: ChildProcess = spawn(process.execPath, [main, ...flags.split(' ')], {
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
    for (let i = 0; i < count; i++) {
      const headers = { 'Remote-User': 'bob', 'X-Forwarded-Uri': `/${path || i}` }
      const response = await fetch(url, { headers })
      assert.equal(response.status, 200)
      await response.arrayBuffer()
    }
  }

  return Object.freeze({
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
    async stop(): Promise<number | null> {
      const ended = once(child, child.stdout ? 'close' : 'exit')
      child.kill('SIGTERM')
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
