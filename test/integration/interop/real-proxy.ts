import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get, type RequestOptions } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort, isListening } from '../../support/port.ts'
import { pages } from './documented-configuration.ts'
import type { Address } from './listen.ts'
import { searchPath } from './skip-without.ts'

/** The servers behind a proxy. */
export type Backends = Readonly<{
  authelia: Address
  elastauth: Address
  /** elastauth's listener for sub-requests, if it has one of its own. */
  subRequests?: Address
  kibana: Address
  proxySecret: string
}>

/** A reverse proxy, and how it is run with the configuration of its page in the documentation. */
export type RealProxy = Readonly<{
  name: string
  program: string
  /** Debian has no package of it, so REQUIRE_PROXIES does not require it. */
  isOptional?: boolean
  /** elastauth's forward_auth.profile behind this proxy. */
  profile: 'generic' | 'nginx'
  command: (place: Place, backends: Backends) => Command
  /** For a proxy that listens before it has read its configuration. */
  isReady?: (port: number) => Promise<boolean>
}>

export type Place = Readonly<{ directory: string; port: number }>

export type Command = Readonly<{
  args: readonly string[]
  /** Files to write into the directory, by name. */
  files: Readonly<Record<string, string>>
  env?: Readonly<Record<string, string>>
}>

export type Running = Readonly<{ url: string; port: number }>

/** Runs a proxy on a free port of 127.0.0.1, in a temporary directory, until `cleanup` is disposed of. */
export async function startRealProxy(
  { name, program, command, isReady = isListening }: RealProxy,
  backends: Backends,
  cleanup: AsyncDisposableStack,
): Promise<Running> {
  const directory = await mkdtemp(join(tmpdir(), 'elastauth-proxy-'))
  const port = await findFreePort()
  const { args, files, env: added } = command({ directory, port }, backends)
  for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text)
  const env = { PATH: searchPath, HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory, ...added }
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const ended = once(child, 'exit')
  cleanup.defer(async () => {
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

/** @param site the content of nginx's `http` block */
export function nginxCommand(directory: string, site: string): Command {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const paths = kinds.map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')
  const conf = `daemon off; master_process off; pid ${directory}/pid; error_log stderr warn;
    events { worker_connections 4096; }
    http { access_log off; ${paths} ${site} }`
  return {
    args: ['-p', directory, '-e', 'stderr', '-c', join(directory, 'nginx.conf')],
    files: { 'nginx.conf': conf },
  }
}

export function caddyCommand(site: string): Command {
  const options = '{\n admin off\n auto_https off\n default_bind 127.0.0.1\n}\n'
  return { args: ['run', '--config', 'Caddyfile'], files: { Caddyfile: options + site } }
}

/** @param script what to run as forward-auth.lua */
export function haproxyCommand(
  configuration: string,
  script = readFileSync(join(pages, 'forward-auth.lua'), 'utf8'),
): Command {
  return { args: ['-db', '-f', 'haproxy.cfg'], files: { 'haproxy.cfg': configuration, 'forward-auth.lua': script } }
}

/** Traefik, which Debian has no package of: TRAEFIK_BIN, or the PATH. */
export function createTraefik(
  dynamicConfiguration: (backends: Backends, port: number) => string,
  { host, path }: Readonly<{ host: string; path: string }>,
): RealProxy {
  return {
    name: 'Traefik',
    program: process.env.TRAEFIK_BIN || 'traefik',
    isOptional: true,
    profile: 'generic',
    command: ({ port }, backends) => ({
      args: [
        `--entrypoints.websecure.address=127.0.0.1:${port}`,
        '--providers.file.filename=dynamic.yml',
        '--entrypoints.websecure.http.sanitizepath=false',
        '--global.checknewversion=false',
      ],
      files: { 'dynamic.yml': dynamicConfiguration(backends, port) },
    }),
    // Traefik has no route, and responds with 404, until it has read its file.
    isReady: (port) => hasRoute({ port, host: '127.0.0.1', path, headers: { host } }),
  }
}

function hasRoute(options: RequestOptions): Promise<boolean> {
  return new Promise((resolve) => {
    get(options, (response) => {
      response.resume()
      resolve(response.statusCode !== 404)
    }).on('error', () => resolve(false))
  })
}
