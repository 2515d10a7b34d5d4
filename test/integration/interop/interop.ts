import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { adapted, configurationFrom, pages } from './page.ts'
import type { Backends, RealProxy } from './proxy.ts'

const nginx: RealProxy = {
  name: 'nginx',
  program: 'nginx',
  profile: 'nginx',
  command({ directory, port }, surroundings) {
    const page = adapted(configurationFrom('nginx.md', 'nginx'), {
      ...addresses(surroundings),
      'listen 80;': `listen 127.0.0.1:${port};`,
      '/run/nginx-elastauth.sock': `${directory}/elastauth.sock`,
    })
    const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    const places = kinds.map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')
    const conf = `daemon off; master_process off; pid ${directory}/pid; error_log stderr warn;
      events { worker_connections 512; }
      http { access_log off; ${places} ${page} }`
    return {
      args: ['-p', directory, '-e', 'stderr', '-c', join(directory, 'nginx.conf')],
      files: { 'nginx.conf': conf },
    }
  },
}

const caddy: RealProxy = {
  name: 'caddy',
  program: 'caddy',
  profile: 'generic',
  command({ port }, surroundings) {
    const page = adapted(configurationFrom('caddy.md', 'caddyfile'), {
      ...addresses(surroundings),
      'kibana.example.com {': `http://kibana.example.com:${port} {`,
    })
    const options = '{\n admin off\n auto_https off\n default_bind 127.0.0.1\n}\n'
    return { args: ['run', '--config', 'Caddyfile'], files: { Caddyfile: options + page } }
  },
}

/** @param script forward-auth.lua, unless given */
export function createHaproxy(script = readFileSync(join(pages, 'forward-auth.lua'), 'utf8')): RealProxy {
  return {
    name: 'haproxy',
    program: 'haproxy',
    profile: 'generic',
    command({ port }, surroundings) {
      const page = adapted(configurationFrom('haproxy.md', 'haproxy'), {
        ...addresses(surroundings),
        'bind :80 ': `bind 127.0.0.1:${port} `,
        '/etc/haproxy/': '',
      })
      return { args: ['-db', '-f', 'haproxy.cfg'], files: { 'haproxy.cfg': page, 'forward-auth.lua': script } }
    },
  }
}

/** Not in Debian: TRAEFIK_BIN, or the PATH. */
const traefik: RealProxy = {
  name: 'traefik',
  program: process.env.TRAEFIK_BIN || 'traefik',
  isOptional: true,
  profile: 'generic',
  command({ port }, surroundings) {
    const page = adapted(configurationFrom('traefik.md', 'yaml'), { ...addresses(surroundings), '      tls: {}\n': '' })
    const args = [
      `--entrypoints.websecure.address=127.0.0.1:${port}`,
      '--providers.file.filename=dynamic.yml',
      '--entrypoints.websecure.http.sanitizepath=false',
      '--global.checknewversion=false',
    ]
    return { args, files: { 'dynamic.yml': page } }
  },
  isReady: hasRoute,
}

export const realProxies: readonly RealProxy[] = [nginx, caddy, createHaproxy(), traefik]

/** Until its file is read, Traefik has no route, and says 404. */
function hasRoute(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ port, host: '127.0.0.1', headers: { host: 'kibana.example.com' } }, (answer) => {
      answer.resume()
      resolve(answer.statusCode !== 404)
    }).on('error', () => resolve(false))
  })
}

function addresses({ authelia, elastauth, kibana, proxySecret }: Backends): Record<string, string> {
  return {
    'authelia:9091': authelia,
    'elastauth:5000': elastauth,
    'kibana:5601': kibana,
    'change-this-secret': proxySecret,
  }
}
