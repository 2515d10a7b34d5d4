import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { findFreePort, isListening } from '../port.ts'
import { skipWithoutPrograms } from '../skip.ts'
import type { RedisTls } from './tls.ts'

export type RedisServer = Readonly<{
  port: number
  /** `host:port` */
  address: string
  /** A connection for the test. */
  client: Redis
  /** SIGSTOP: the server keeps its connections and does not respond. */
  pause: () => void
  resume: () => void
  /** SIGKILL. Resolves when the process has exited. */
  kill: () => Promise<void>
  /** Restarts the server after `kill`, on the same port and in the same directory, without data that was not saved. */
  start: () => Promise<void>
  /** Kills the server and removes its directory. */
  stop: () => Promise<void>
}>

export type ServerOptions = Readonly<{
  /** Lines of redis.conf. */
  config?: readonly string[]
  /** For the connection of the test. */
  client?: Omit<RedisOptions, 'replyMapping'>
  /** `tls-port` in place of `port`. */
  tls?: RedisTls
  sentinel?: boolean
}>

/** The reason to skip tests that need redis-server, or false. Throws if redis-server is missing and REQUIRE_REDIS=1. */
export function skipWithoutRedis(): string | false {
  return skipWithoutPrograms(['redis-server'], 'REQUIRE_REDIS')
}

/** Starts a redis-server on a free port of 127.0.0.1, with a temporary directory. */
export async function startRedis(options: ServerOptions = {}): Promise<RedisServer> {
  const port = await findFreePort()
  const directory = await mkdtemp(join(tmpdir(), 'elastauth-redis-'))
  const file = join(directory, 'redis.conf')
  const lines = [
    ...(options.tls ? ['port 0', `tls-port ${port}`, ...options.tls.config] : [`port ${port}`]),
    `dir ${directory}`,
    'bind 127.0.0.1',
    'daemonize no',
    'loglevel warning',
    ...(options.sentinel ? [] : ['save ""', 'appendonly no', 'repl-diskless-sync-delay 0', 'shutdown-timeout 0']),
    ...(options.config ?? []),
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const client = new Redis({
    port,
    host: '127.0.0.1',
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    ...options.tls?.client,
    ...options.client,
  })
  client.on('error', () => {})
  let child = await run()

  async function run(): Promise<ChildProcess> {
    const started = spawn('redis-server', [file, ...(options.sentinel ? ['--sentinel'] : [])], { stdio: 'ignore' })
    const deadline = Date.now() + 120_000
    while (!(await isListening(port))) {
      if (started.exitCode !== null || Date.now() > deadline) throw new Error(`redis-server did not start: ${lines}`)
      await sleep(20)
    }
    return started
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  return Object.freeze({
    port,
    address: `127.0.0.1:${port}`,
    client,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill,
    async start() {
      child = await run()
    },
    async stop() {
      client.disconnect()
      await kill()
      await rm(directory, { recursive: true, force: true })
    },
  })
}
