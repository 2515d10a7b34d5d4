/** Load generators, each of which returns the number of successful responses; and what they measure. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import type { Goal, Program } from './harness.ts'
import type { Running } from './programs.ts'

const run = promisify(execFile)

export const perRequest = 'processor time per request, µs'
export const identity = {
  'Remote-User': 'testuser',
  'Remote-Groups': 'admins,users',
  'Remote-Email': 'test@example.com',
}

export type Headers = Readonly<Record<string, string>>

/**
 * The processor time (user and system) of a process per request, in microseconds. Throws if the process has exited or if there was no request.
 */
export async function cpuPerRequest({ name, pid }: Pick<Running, 'name' | 'pid'>, load: () => Promise<number>) {
  const before = cpuMicroseconds(pid)
  const requests = await load()
  if (!(requests > 0)) throw new Error(`${name}: no request was successful`)
  return (cpuMicroseconds(pid) - before) / requests
}

/** The processor time per request. With `atMost`, its ratio to the program `to` has a limit. */
export function measured(
  name: string,
  running: Running,
  load: (running: Running) => Promise<number>,
  atMost?: number,
  to?: string,
): Program {
  const goals: Goal[] = atMost !== undefined && to !== undefined ? [{ metric: perRequest, to, atMost }] : []
  return { name, goals, measure: async () => ({ [perRequest]: await cpuPerRequest(running, () => load(running)) }) }
}

/** wrk with 64 connections, or with a new connection for each request. */
export async function wrk(
  { name, url }: Pick<Running, 'name' | 'url'>,
  seconds: number,
  headers: Headers = identity,
): Promise<number> {
  // wrk accepts whole seconds only
  const args = ['-t1', '-c64', `-d${Math.ceil(seconds)}`]
  const lines = Object.entries(headers).flatMap(([key, value]) => ['-H', `${key}: ${value}`])
  const { stdout } = await run('wrk', [...args, ...lines, url]).catch((error) => {
    throw new Error(error.code === 'ENOENT' ? 'wrk is not installed' : `${name}: ${error.message}`)
  })
  return readWrk(name, stdout)
}

/** The number of requests that wrk counted. Throws unless all of them were successful. */
export function readWrk(name: string, output: string): number {
  const [, requests] = /(\d+) requests in/.exec(output) ?? []
  if (requests === undefined || Number(requests) === 0) throw new Error(`${name}: wrk got no response:\n${output}`)
  if (output.includes('Non-2xx')) throw new Error(`${name}: not all responses were successful:\n${output}`)
  return Number(requests)
}

/** The number of failed tests in the summary of h2spec. */
export function readH2spec(name: string, output: string): number {
  const [, failed] = /\d+ tests, \d+ passed, \d+ skipped, (\d+) failed/.exec(output) ?? []
  if (failed === undefined) throw new Error(`${name}: h2spec printed no summary:\n${output}`)
  return Number(failed)
}

/** Sends each of the requests once. */
export async function sendAll(url: string, requests: readonly Headers[], concurrency = 32): Promise<number> {
  const pool = new Pool(url, { connections: concurrency, keepAliveTimeout: 600_000 })
  await repeat(requests.length, concurrency, async (i) => {
    const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers: requests[i]! })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`status ${statusCode} from ${url}: ${text}`)
  })
  await pool.close()
  return requests.length
}

/** Runs a task for each number from 0 to `count` - 1. */
export async function repeat(count: number, concurrency: number, run: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

/** Headers of `user-FROM` to the one before `user-TO`. */
export function users(from: number, to: number): Headers[] {
  return Array.from({ length: to - from }, (_, i) => ({
    'Remote-User': `user-${from + i}@example.com`,
    'Remote-Groups': `users,team-${(from + i) % 100}`,
    'Remote-Email': `user-${from + i}@example.com`,
  }))
}

/** 32 streams at a time on four connections. */
export async function http2Load({ name, url }: Running, seconds: number, headers: Headers = identity): Promise<number> {
  const end = performance.now() + seconds * 1000
  const counts = Array.from({ length: 4 }, async () => {
    const session = connectHttp2(url, { rejectUnauthorized: false })
    await once(session, 'connect')
    let count = 0
    const worker = async () => {
      while (performance.now() < end) {
        const stream = session.request({ ':path': '/', ...headers })
        const [{ ':status': status }] = await once(stream, 'response')
        if (status !== 200) throw new Error(`${name}: status ${status}`)
        await once(stream.resume(), 'end')
        count++
      }
    }
    await Promise.all(Array.from({ length: 8 }, worker))
    session.close()
    return count
  })
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

/** 32 WebSockets, each of which sends a message of 64 bytes when the previous one has come back. */
export async function webSocketLoad({ name, port }: Running, seconds: number): Promise<number> {
  const message = Buffer.alloc(64, 'x')
  const end = performance.now() + seconds * 1000
  const upgrade = { Host: 'es', Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'a2V5', ...identity }
  const lines = Object.entries(upgrade).map(([key, value]) => `${key}: ${value}\r\n`)
  const counts = Array.from({ length: 32 }, async () => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay().write(`GET /socket HTTP/1.1\r\n${lines.join('')}\r\n`)
    const [head] = await once(socket, 'data')
    if (!String(head).startsWith('HTTP/1.1 101 ')) throw new Error(`${name}: no WebSocket:\n${head}`)
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    let count = 0
    let received = 0
    socket.on('error', reject).on('close', () => reject(new Error(`${name} closed a WebSocket`)))
    socket.on('data', (chunk) => {
      received += chunk.length
      if (received % message.length !== 0) return
      count++
      if (performance.now() < end) return void socket.write(message)
      resolve(count)
      socket.destroy()
    })
    socket.write(message)
    return promise
  })
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

/** The processor time of all threads of a process in microseconds, like its process.cpuUsage(). */
export function cpuMicroseconds(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const nanoseconds = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1000
}

/** @param share between 0 and 1 */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('no values were measured')
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!
}
