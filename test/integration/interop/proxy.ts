import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort, isListening } from '../../support/port.ts'
import { searchPath } from './installed.ts'
import type { Address } from './listen.ts'

/** Whom a proxy asks, and to whom it passes on. */
export type Backends = Readonly<{
  authelia: Address
  elastauth: Address
  /** Where elastauth answers sub-requests, if that is another address. */
  subRequests?: Address
  kibana: Address
  proxySecret: string
}>

/** A reverse proxy's program, and how it is run with the configuration of its page. */
export type RealProxy = Readonly<{
  name: string
  program: string
  /** Not in Debian, so that no test can ask for it to be there. */
  isOptional?: boolean
  /** For `elastauth`: how this caller wants to hear a denial. */
  profile: 'generic' | 'nginx'
  command: (place: Place, surroundings: Backends) => Command
  /** For one that listens before it knows its configuration. */
  isReady?: (port: number) => Promise<boolean>
}>

export type Place = Readonly<{ directory: string; port: number }>

export type Command = Readonly<{
  args: readonly string[]
  /** Files to be there, by their names in the directory. */
  files: Readonly<Record<string, string>>
}>

export type Running = Readonly<{ url: string; port: number }>

/** Runs a proxy on a free port of 127.0.0.1, with a directory that goes with it, until the end of what is given. */
export async function startRealProxy(
  { name, program, command, isReady = isListening }: RealProxy,
  surroundings: Backends,
  until: AsyncDisposableStack,
): Promise<Running> {
  const directory = await mkdtemp(join(tmpdir(), `elastauth-${name}-`))
  const port = await findFreePort()
  const { args, files } = command({ directory, port }, surroundings)
  for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text)
  const env = { PATH: searchPath, HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory }
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const ended = once(child, 'exit')
  until.defer(async () => {
    child.kill('SIGKILL')
    await ended
    await rm(directory, { recursive: true, force: true })
  })
  const deadline = Date.now() + 120_000
  while (!(await isReady(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${name} did not start:\n${output}`)
    await sleep(20)
  }
  return Object.freeze({ url: `http://127.0.0.1:${port}`, port })
}
