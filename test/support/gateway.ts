import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** A key for tests only. */
export const testKey = '5eed0f7e57'.padEnd(64, '0123456789abcdef')

/**
 * For gateways whose passwords live for seconds: to their sweep, users of other tests on the same node would be idle. Users
 * under a key that it does not know it leaves alone.
 */
export const shortLivedKey = '5407711ed0'.padEnd(64, '0123456789abcdef')

export type GatewayOptions = Readonly<{
  /** Configuration keys as flags; secrets go through `env`. */
  flags?: Readonly<Record<string, string>>
  env?: Readonly<Record<string, string>>
  nodeArguments?: readonly string[]
  /** How many file descriptors the process may have; a POSIX shell sets it. */
  fileLimit?: number
  /** The script to run, `src/main.ts` unless given. */
  main?: string
}>

export type Gateway = Readonly<{
  url: string
  process: ChildProcess
  /** Every line it has logged, as parsed JSON where it is JSON. */
  log: readonly LogLine[]
  /** All its output, for tests that look for secrets in it. */
  output: () => string
  /** Waits until a line has been logged that the test accepts. */
  logged: (accepts: (line: LogLine) => boolean) => Promise<LogLine>
  /** SIGTERM, then the exit code. */
  stop: () => Promise<number | null>
}>

/** Where it answers sub-requests, started with `forward_auth.listen`: `url` is then for browsers. */
export async function subRequestUrlOf({ logged }: Pick<Gateway, 'logged'>): Promise<string> {
  const { message } = await logged(({ message = '' }) => message.includes(' listens on '))
  return / and (\S+) \(sub-requests\)/.exec(message!)![1]!
}

export type LogLine = Readonly<Record<string, unknown> & { message?: string }>

/** Runs elastauth as users do, as a process of its own, on a free port; resolves when it listens. Rejects with its output when it does not. */
export async function startGateway({
  flags = {},
  env = {},
  nodeArguments = [],
  fileLimit,
  main = source,
}: GatewayOptions): Promise<Gateway> {
  const withDefaults = { listen: '127.0.0.1:0', log_format: 'json', ...flags }
  const args = Object.entries(withDefaults).flatMap(([key, value]) => [`--${key}`, value])
  const command = [process.execPath, ...nodeArguments, main, ...args]
  const limited = ['sh', '-c', `ulimit -n ${fileLimit} && exec "$0" "$@"`, ...command]
  const [program = '', ...rest] = fileLimit === undefined ? command : limited
  const child = spawn(program, rest, {
    env: { PATH: process.env.PATH, ELASTAUTH_SECRET_KEY: testKey, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log: LogLine[] = []
  const chunks: string[] = []
  const waiting = new Set<{ accepts: (line: LogLine) => boolean; resolve: (line: LogLine) => void }>()
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  child.stderr.on('data', (chunk) => chunks.push(String(chunk)))
  createInterface({ input: child.stdout }).on('line', (text) => {
    chunks.push(`${text}\n`)
    const line = parse(text)
    log.push(line)
    for (const waiter of waiting) {
      if (!waiter.accepts(line)) continue
      waiting.delete(waiter)
      waiter.resolve(line)
    }
  })
  const output = () => chunks.join('')

  async function logged(accepts: (line: LogLine) => boolean): Promise<LogLine> {
    const known = log.find(accepts)
    if (known) return known
    const found = new Promise<LogLine>((resolve) => waiting.add({ accepts, resolve }))
    const gone = exited.then((code) => {
      throw new Error(`elastauth ended with ${code} before it logged that:\n${output()}`)
    })
    return Promise.race([found, gone])
  }

  const isKnown = /:[1-9]\d*$/.test(flags.listen ?? '')
  const url = isKnown ? await answering(`http://${flags.listen}`) : await announced()
  async function announced(): Promise<string> {
    const { message } = await logged(({ message = '' }) => message.includes(' listens on '))
    return /listens on ([^\s,]+)/.exec(message!)![1]!
  }

  /** For a gateway whose log level keeps its first line back. */
  async function answering(address: string): Promise<string> {
    while (child.exitCode === null) {
      if (
        await fetch(`${address}/elastauth/health`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return address
      await sleep(20)
    }
    throw new Error(`elastauth ended with ${child.exitCode}:\n${output()}`)
  }

  return Object.freeze({
    url,
    process: child,
    log,
    output,
    logged,
    async stop() {
      child.kill('SIGTERM')
      return exited
    },
  })
}

function parse(text: string): LogLine {
  try {
    return JSON.parse(text)
  } catch {
    return { message: text }
  }
}
