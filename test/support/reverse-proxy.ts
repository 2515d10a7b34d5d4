import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort, isListening } from './port.ts'

export type ReverseProxy = Readonly<{
  /** What people type into their browser. */
  url: string
  stop: () => Promise<void>
}>

/** Writes the configuration for a proxy that listens on this port. */
export type Configure = (port: number) => string

/** Why tests that need this program are skipped, or false. Throws where it is missing and REQUIRE_PROXIES=1. */
export function skipWithout(program: 'caddy' | 'nginx'): string | false {
  try {
    execFileSync(pathOf(program), [program === 'nginx' ? '-v' : 'version'], { stdio: 'ignore' })
    return false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (process.env.REQUIRE_PROXIES === '1') throw new Error(`REQUIRE_PROXIES=1, but there is no ${program}`)
    console.error(`\nSKIPPED: there is no ${program}. REQUIRE_PROXIES=1 makes this a failure.\n`)
    return `no ${program} on the PATH`
  }
}

export function startCaddy(configure: Configure): Promise<ReverseProxy> {
  return start(configure, 'Caddyfile', (file, directory) =>
    spawn(pathOf('caddy'), ['run', '--adapter', 'caddyfile', '--config', file], {
      env: { ...process.env, HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  )
}

export function startNginx(configure: Configure): Promise<ReverseProxy> {
  return start(configure, 'nginx.conf', (file, directory) =>
    spawn(pathOf('nginx'), ['-p', directory, '-c', file, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] }),
  )
}

/** A process of its own on a free port, with a directory that goes with it. */
async function start(
  configure: Configure,
  name: string,
  run: (file: string, directory: string) => ChildProcess,
): Promise<ReverseProxy> {
  const port = await findFreePort()
  const directory = await mkdtemp(join(tmpdir(), 'elastauth-proxy-'))
  const file = join(directory, name)
  await writeFile(file, configure(port))
  const child = run(file, directory)
  let output = ''
  child.stderr!.on('data', (chunk) => {
    output += chunk
  })
  const deadline = Date.now() + 10_000
  while (!(await isListening(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the proxy did not start:\n${output}`)
    await sleep(20)
  }
  return Object.freeze({
    url: `http://127.0.0.1:${port}`,
    async stop() {
      if (child.exitCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGTERM')
        await ended
      }
      await rm(directory, { recursive: true, force: true })
    },
  })
}

/** Debian's nginx is where only root's PATH leads. */
function pathOf(program: 'caddy' | 'nginx'): string {
  if (program === 'caddy') return program
  try {
    return execFileSync('which', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return '/usr/sbin/nginx'
  }
}
