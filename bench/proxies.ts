import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startGateway } from '../test/support/gateway.ts'
import { pin } from './load.ts'

/** A server that runs as a process of its own. */
export type RunningServer = Readonly<{ name: string; url: string; pid: number }>

/** Starts one of the servers of proxy-servers.ts. */
export async function startServer(kind: string, ...args: string[]): Promise<RunningServer> {
  const server = spawn(process.execPath, [new URL('proxy-servers.ts', import.meta.url).pathname, kind, ...args])
  const [url] = await once(server.stdout, 'data')
  return { name: kind, url: String(url).trim(), pid: server.pid! }
}

/** Starts the built elastauth (`npm run build`) without Elasticsearch: the credentials come from its cache. */
export async function startElastauth(upstream: string): Promise<RunningServer> {
  const gateway = await startGateway({
    main: new URL('../dist/main.cjs', import.meta.url).pathname,
    flags: {
      log_level: 'error',
      listen: '127.0.0.1:6105',
      default_roles: 'viewer',
      max_connections: '20000',
      'elasticsearch.dry_run': 'true',
      'proxy.enabled': 'true',
      'proxy.elasticsearch_url': upstream,
    },
  })
  return { name: 'elastauth', url: gateway.url, pid: gateway.process.pid! }
}

/** Starts nginx as one process that streams in both directions and keeps its connections; undefined if it is not installed. */
export async function startNginx(upstream: string): Promise<RunningServer | undefined> {
  const program = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path))
  if (program === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'elastauth-bench-'))
  const port = 6106
  writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(upstream, port))
  const server = spawn(program, ['-p', folder, '-e', 'stderr', '-c', 'nginx.conf'], { stdio: 'inherit' })
  await sleep(500)
  return { name: 'nginx', url: `http://127.0.0.1:${port}`, pid: server.pid! }
}

/** Pins each server to the processor of programs under test. */
export function pinAll(servers: readonly RunningServer[]): void {
  for (const { pid } of servers) pin(pid)
}

function nginxConfiguration(upstream: string, port: number): string {
  return `daemon off; master_process off; pid nginx.pid;
events { worker_connections 20000; }
http {
  access_log off; client_max_body_size 0; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream behind { server ${new URL(upstream).host}; keepalive 64; keepalive_requests 1000000000; }
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
