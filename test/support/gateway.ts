import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { get as getHttp } from 'node:http'
import { get as getHttps } from 'node:https'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { compileCache } from './compile-cache.ts'
import type { Elasticsearch } from './elasticsearch/node.ts'
import { createSignal } from './wait.ts'

const source = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** A key for tests only. */
export const testKey = '5eed0f7e57'.padEnd(64, '0123456789abcdef')

/**
 * For gateways whose passwords live for seconds: their sweep would take the users of other tests on the same node for idle. The
 * sweep ignores users under a key that it does not know.
 */
export const shortLivedKey = '5407711ed0'.padEnd(64, '0123456789abcdef')

export type GatewayOptions = Readonly<{
  /** Configuration keys as flags; secrets go through `env`. */
  flags?: Readonly<Record<string, string>>
  env?: Readonly<Record<string, string>>
  nodeArguments?: readonly string[]
  /** Limits the file descriptors of the process (`ulimit -n`). */
  fileLimit?: number
  /** The script to run instead of `src/main.ts`. */
  main?: string
}>

export type LogLine = Readonly<Record<string, unknown> & { message?: string }>

export type Gateway = Readonly<{
  url: string
  process: ChildProcess
  /** Every line it has logged, as parsed JSON where it is JSON. */
  log: readonly LogLine[]
  /** All its output, for tests that look for secrets in it. */
  output: () => string
  /** Resolves to the first accepted line, once it is logged. Rejects when the process exits before. */
  logged: (accepts: (line: LogLine) => boolean) => Promise<LogLine>
  /** Sends SIGTERM, and resolves to the exit code once all output was read. */
  stop: () => Promise<number | null>
}>

/** Runs elastauth as a process on a free port, and resolves when it listens. Rejects with its output when it exits before. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const child = spawnElastauth(options)
  const log: LogLine[] = []
  const chunks: string[] = []
  const { notify, waitFor } = createSignal()
  let hasEnded = false
  // Not `exit`, which may come before the last output was read.
  const ended = once(child, 'close').then(([code]) => code as number | null)
  void ended.then(() => {
    hasEnded = true
    notify()
  })
  child.stderr!.on('data', (chunk) => chunks.push(String(chunk)))
  createInterface({ input: child.stdout! }).on('line', (text) => {
    chunks.push(`${text}\n`)
    log.push(parseLine(text))
    notify()
  })
  const output = () => chunks.join('')

  async function logged(accepts: (line: LogLine) => boolean): Promise<LogLine> {
    let next = 0
    const findNext = () => {
      while (next < log.length) if (accepts(log[next++]!)) return log[next - 1]
      return undefined
    }
    const line = await waitFor(findNext, () => hasEnded)
    if (line !== undefined) return line
    throw new Error(`elastauth exited with ${child.exitCode} before it logged the expected line:\n${output()}`)
  }

  const fixedUrl = fixedUrlOf(options.flags)
  const url = fixedUrl ?? urlIn(await logged(isStartLine))
  if (fixedUrl !== undefined) await waitForHealth(fixedUrl, () => hasExited(child))
  if (hasExited(child)) throw new Error(`elastauth exited with ${child.exitCode}:\n${output()}`)
  return Object.freeze({
    url,
    process: child,
    log,
    output,
    logged,
    async stop() {
      child.kill('SIGTERM')
      return ended
    },
  })
}

function spawnElastauth({ flags, env, nodeArguments = [], fileLimit, main = source }: GatewayOptions): ChildProcess {
  const withDefaults = { listen: '127.0.0.1:0', log_format: 'json', ...flags }
  const args = Object.entries(withDefaults).flatMap(([key, value]) => [`--${key}`, value])
  const command = [process.execPath, ...nodeArguments, main, ...args]
  const limited = ['sh', '-c', `ulimit -n ${fileLimit} && exec "$0" "$@"`, ...command]
  const [program = '', ...rest] = fileLimit === undefined ? command : limited
  return spawn(program, rest, {
    env: { PATH: process.env.PATH, ELASTAUTH_SECRET_KEY: testKey, ...compileCache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function hasExited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text)
  } catch {
    return { message: text }
  }
}

function isStartLine({ message = '' }: LogLine): boolean {
  return message.includes(' listens on ')
}

function urlIn({ message = '' }: LogLine): string {
  return /listens on ([^\s,]+)/.exec(message)![1]!
}

/** The URL of a gateway that listens on one address with a fixed port, or undefined. */
function fixedUrlOf({ listen = '', 'tls.cert': cert }: GatewayOptions['flags'] = {}): string | undefined {
  const [, scheme = cert === undefined ? 'http' : 'https', address] =
    /^(?:(https?):\/\/)?([^,/:]+:[1-9]\d*|\[[^,\]]+\]:[1-9]\d*)$/.exec(listen) ?? []
  return address && `${scheme}://${address}`
}

/** For a gateway whose log level suppresses the start line. */
async function waitForHealth(url: string, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    if (await isHealthy(`${url}/elastauth/health`)) return
    await sleep(20)
  }
}

/** Accepts any certificate: only that the gateway responds matters here. */
function isHealthy(url: string): Promise<boolean> {
  const get = url.startsWith('https:') ? getHttps : getHttp
  return new Promise((resolve) => {
    const options = { agent: false, rejectUnauthorized: false }
    get(url, options, (response) => resolve(response.resume().statusCode === 200)).on('error', () => resolve(false))
  })
}

/** The listener for sub-requests of a gateway with `forward_auth.listen`; its `url` is the one for browsers. */
export async function subRequestUrlOf({ logged }: Pick<Gateway, 'logged'>): Promise<string> {
  const { message } = await logged(isStartLine)
  return / and (\S+) \(sub-requests\)/.exec(message!)![1]!
}

/** The listener for metrics of a gateway with `metrics.listen`. */
export async function metricsUrlOf({ logged }: Pick<Gateway, 'logged'>): Promise<string> {
  const { message } = await logged(isStartLine)
  return / and (\S+) \(metrics\)/.exec(message!)![1]!
}

/**
 * For tests that wait for no timeout of Elasticsearch: on a busy machine or a slow disk, a call may take longer than the default of
 * 10 s. All checks of doctor, and of `config check --connect`, have half of this time together.
 */
export const elasticsearchFlags = { 'elasticsearch.timeout': '60s' } as const

/** Starts elastauth with this Elasticsearch, real or fake. Users get the role `viewer` unless the options say otherwise. */
export function startGatewayFor(
  { url, username, password }: Pick<Elasticsearch, 'url' | 'username' | 'password'>,
  { flags, env, ...rest }: GatewayOptions = {},
): Promise<Gateway> {
  return startGateway({
    flags: { ...elasticsearchFlags, 'elasticsearch.hosts': url, default_roles: 'viewer', ...flags },
    env: { ELASTAUTH_ELASTICSEARCH_USERNAME: username, ELASTAUTH_ELASTICSEARCH_PASSWORD: password, ...env },
    ...rest,
  })
}

/** Sends a sub-request about this user, as a forward-auth proxy does. */
export async function authorize({ url }: Pick<Gateway, 'url'>, username: string, groups = '') {
  const response = await fetch(url, { headers: { 'Remote-User': username, 'Remote-Groups': groups } })
  await response.arrayBuffer()
  return { status: response.status, authorization: response.headers.get('authorization') }
}

export type Login = Readonly<{ status: number; username?: string; roles?: string[] }>

/** Authenticates with a credential that elastauth returned: only Elasticsearch decides whether it is valid. */
export async function logIn({ url }: Pick<Elasticsearch, 'url'>, authorization: string | null): Promise<Login> {
  const response = await fetch(`${url}/_security/_authenticate`, { headers: { authorization: authorization ?? '' } })
  const { username, roles = [] } = (await response.json()) as { username?: string; roles?: string[] }
  return { status: response.status, ...(username && { username, roles }) }
}
