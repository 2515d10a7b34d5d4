/** Starts the programs that a case compares, each a process of its own on the server's processor. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCertificateAuthority } from '../test/support/elasticsearch/certificates.ts'
import {
  createFakeElasticsearch,
  type FakeElasticsearch,
} from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { testKey } from '../test/support/gateway.ts'
import { findFreePort, isListening } from '../test/support/port.ts'
import type { Bench } from './harness.ts'

export const builtProgram = new URL('../dist/main.cjs', import.meta.url).pathname
const serversFile = new URL('servers.ts', import.meta.url).pathname

/** The programs under test run on processor 0; the load, upstreams and other services share the next one. */
const serverProcessor = 0
const loadProcessor = Math.min(1, availableParallelism() - 1)

export type Running = Readonly<{ name: string; url: string; port: number; pid: number; stop: () => Promise<void> }>
export type Flags = Readonly<Record<string, string>>
type StartOptions = Readonly<{ env?: Flags; cwd?: string; isLoad?: boolean; scheme?: string }>

/** As in a production installation: a line of JSON per request, to a file, and metrics. */
export const asDeployed: Flags = { log_level: 'info', enable_metrics: 'true' }
export const quiet: Flags = { log_level: 'warn' }
export const asDeployedName = 'elastauth, info and metrics'
export const quietName = 'elastauth, warn'
/** The server of servers.ts that proxy mode is compared with. */
export const dispatch = 'bare undici.dispatch'

/** Starts a program whose output goes to a file. Resolves when it listens on `port`; it is stopped with the case. */
export async function startProgram(
  { cleanup }: Pick<Bench, 'cleanup'>,
  name: string,
  command: readonly string[],
  port: number,
  { env = {}, cwd, isLoad = false, scheme = 'http' }: StartOptions = {},
): Promise<Running> {
  const directory = temporaryDirectory(cleanup)
  const outputFile = join(directory, 'output')
  const output = openSync(outputFile, 'w')
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    cwd: cwd ?? directory,
    env: { PATH: process.env.PATH, HOME: directory, ...env },
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  const exited = once(child, 'exit') // rejects if the program cannot be started
  const isOver = new AbortController()
  const failed = exited
    .then(([code]) => `exit code ${code}`, String)
    .then((reason) => {
      isOver.abort()
      throw new Error(`${name} did not start (${reason}):\n${readFileSync(outputFile, 'utf8').slice(-2000)}`)
    })
  failed.catch(() => {})
  const stop = async () => {
    child.kill('SIGKILL')
    await exited.catch(() => {})
  }
  cleanup.defer(stop)
  await Promise.race([failed, untilListening(port, isOver.signal)])
  if (isOver.signal.aborted) await failed
  pin(child.pid!, isLoad ? loadProcessor : serverProcessor)
  return { name, url: `${scheme}://127.0.0.1:${port}`, port, pid: child.pid!, stop }
}

/** Starts one of the programs of servers.ts. */
export async function startServer(
  bench: Pick<Bench, 'cleanup'>,
  kind: string,
  upstream = '',
  options: StartOptions = {},
) {
  const port = await findFreePort()
  return startProgram(bench, kind, [process.execPath, serversFile, kind, String(port), upstream], port, options)
}

/** Starts the built elastauth. Without a log level in the flags it logs as deployed. */
export async function startElastauth(
  bench: Pick<Bench, 'cleanup'>,
  flags: Flags,
  { env, ...options }: StartOptions = {},
) {
  const port = await findFreePort()
  const listen = `${flags.listen ?? ''}127.0.0.1:${port}`
  const all = { default_roles: 'viewer', log_format: 'json', ...flags, listen }
  const args = Object.entries(all).flatMap(([key, value]) => [`--${key}`, value])
  const secrets = { ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme', ...env }
  const scheme = flags.listen === 'https://' ? 'https' : 'http'
  return startProgram(bench, 'elastauth', [process.execPath, builtProgram, ...args], port, {
    scheme,
    ...options,
    env: secrets,
  })
}

/** Starts the Go elastauth, version 1, as deployed: with a line per request and metrics. Its Elasticsearch is never called. */
export async function startLegacy(bench: Pick<Bench, 'cleanup'>, program: string): Promise<Running> {
  const port = await findFreePort()
  const directory = temporaryDirectory(bench.cleanup)
  const config = {
    default_roles: ['viewer'],
    elasticsearch_dry_run: true,
    elasticsearch_host: 'http://127.0.0.1:1',
    elasticsearch_username: 'elastic',
    elasticsearch_password: 'changeme',
    enable_metrics: true,
    log_format: 'json',
    secret_key: testKey,
  }
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(config)) // JSON is YAML
  const command = [program, '--listen', `127.0.0.1:${port}`, '--config', directory]
  return startProgram(bench, 'Go elastauth', command, port, { env: { GOMAXPROCS: '1' } })
}

/** Flags for proxy mode in front of `upstream`. The credentials come from the cache, and Elasticsearch is not called. */
export function proxyFlags(upstream: Pick<Running, 'url'>, flags: Flags): Flags {
  const proxy = { 'elasticsearch.dry_run': 'true', 'proxy.enabled': 'true', 'proxy.elasticsearch_url': upstream.url }
  return { ...proxy, max_connections: '20000', ...flags }
}

/** A fake Elasticsearch in this process, and the flags for it. */
export async function startFakeElasticsearch({
  cleanup,
}: Pick<Bench, 'cleanup'>): Promise<{ fake: FakeElasticsearch; node: Flags }> {
  const fake = createFakeElasticsearch()
  cleanup.defer(() => fake.close())
  return { fake, node: { 'elasticsearch.hosts': await fake.listen(), 'elasticsearch.username': 'elastic' } }
}

/** Files of a certificate for 127.0.0.1. */
export function createCertificate({ cleanup }: Bench): { cert: string; key: string } {
  const directory = temporaryDirectory(cleanup)
  const { cert, key } = createCertificateAuthority().issue('bench')
  const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key)
  return files
}

/** Starts nginx as one process that streams in both directions and keeps its connections; undefined if it is not installed. */
export async function startNginx(bench: Pick<Bench, 'cleanup'>, upstream: Running): Promise<Running | undefined> {
  const program = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path))
  if (program === undefined) return undefined
  const port = await findFreePort()
  const directory = temporaryDirectory(bench.cleanup)
  writeFileSync(join(directory, 'nginx.conf'), nginxConfiguration(upstream.port, port))
  const command = [program, '-p', directory, '-e', 'stderr', '-c', 'nginx.conf']
  return startProgram(bench, 'nginx', command, port, { cwd: directory })
}

/** Starts Traefik, which asks `gateway` by forwardAuth before each request to `upstream`. Resolves when it has read its
 * routes. `headers` are those of the load, because other groups for the same user would change the user first. */
export async function startTraefik(
  bench: Bench,
  program: string,
  gateway: Running,
  upstream: Running,
  headers: Flags,
): Promise<Running> {
  const port = await findFreePort()
  const file = join(temporaryDirectory(bench.cleanup), 'routes.yml')
  const forwardAuth = { address: gateway.url, authResponseHeaders: ['Authorization'] }
  const routes = {
    routers: { all: { rule: 'PathPrefix(`/`)', service: 'upstream', middlewares: ['auth'] } },
    middlewares: { auth: { forwardAuth } },
    services: { upstream: { loadBalancer: { servers: [{ url: upstream.url }] } } },
  }
  writeFileSync(file, JSON.stringify({ http: routes })) // JSON is YAML
  const flags = [
    `--entrypoints.web.address=127.0.0.1:${port}`,
    `--providers.file.filename=${file}`,
    '--log.level=ERROR',
  ]
  const traefik = await startProgram(bench, 'Traefik', [program, ...flags], port, { env: { GOMAXPROCS: '1' } })
  for (const deadline = performance.now() + 30_000; ; await sleep(50)) {
    const { status } = await fetch(traefik.url, { headers })
    if (status === 200) return traefik
    if (performance.now() > deadline) throw new Error(`Traefik responds with ${status} after 30 seconds`)
  }
}

/** The path in an environment variable; undefined if the variable is not set. Throws if the file does not exist. */
export function programFrom(variable: string): string | undefined {
  const path = process.env[variable]
  if (path && !existsSync(path)) throw new Error(`${variable} is ${path}, which does not exist`)
  return path || undefined
}

export function temporaryDirectory(cleanup: AsyncDisposableStack): string {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-bench-'))
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Pins this process, with the load generators that it starts later, to the processor of the load. */
export function pinLoad(): void {
  pin(process.pid, loadProcessor)
}

/** Pins all threads of a running process. */
function pin(pid: number, processor: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', String(processor), String(pid)], { stdio: 'ignore' })
}

async function untilListening(port: number, isOver: AbortSignal): Promise<void> {
  for (const deadline = performance.now() + 60_000; performance.now() < deadline; await sleep(20))
    if (isOver.aborted || (await isListening(port))) return
  throw new Error(`port ${port} is not open after a minute`)
}

function nginxConfiguration(upstreamPort: number, port: number): string {
  return `daemon off; master_process off; pid nginx.pid;
events { worker_connections 20000; }
http {
  access_log off; client_max_body_size 0; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream behind { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_max_temp_file_size 0;
    }
  }
}
`
}
