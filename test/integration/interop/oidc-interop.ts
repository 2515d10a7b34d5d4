import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { adapted, configurationFrom, pages } from './page.ts'
import type { Backends, RealProxy } from './proxy.ts'

/** The proxies as docs/oidc.md configures them. `change` is a change that an administrator may have made to the configuration. */
export type OidcProxies = Readonly<{ nginx: RealProxy; caddy: RealProxy; haproxy: RealProxy; traefik: RealProxy }>

type Change = (configuration: string) => string

export function createOidcProxies(changes: Partial<Record<keyof OidcProxies, Change>> = {}): OidcProxies {
  const page = (name: keyof OidcProxies, language: string, around: Backends, own: Record<string, string>) =>
    (changes[name] ?? ((text) => text))(adapted(blockOf(language), { ...addressesOf(around), ...own }))
  return {
    nginx: {
      name: 'nginx',
      program: 'nginx',
      profile: 'nginx',
      command: ({ directory, port }, around) =>
        nginxCommand(directory, page('nginx', 'nginx', around, { 'listen 443 ssl;': `listen 127.0.0.1:${port};` })),
    },
    caddy: {
      name: 'Caddy',
      program: 'caddy',
      profile: 'generic',
      command: ({ port }, around) =>
        caddyCommand(page('caddy', 'caddyfile', around, { 'kibana.example.com {': `http://127.0.0.1:${port} {` })),
    },
    haproxy: {
      name: 'HAProxy',
      program: 'haproxy',
      profile: 'generic',
      command: ({ port }, around) => ({
        args: ['-db', '-f', 'haproxy.cfg'],
        files: {
          'haproxy.cfg': page('haproxy', 'haproxy', around, {
            'bind :80 ': `bind 127.0.0.1:${port} `,
            '/etc/haproxy/': '',
          }),
          'forward-auth.lua': readFileSync(join(pages, 'forward-auth.lua'), 'utf8'),
        },
      }),
    },
    traefik: {
      name: 'Traefik',
      program: process.env.TRAEFIK_BIN || 'traefik',
      isOptional: true,
      profile: 'generic',
      isReady: hasRoute,
      command: ({ port }, around) => ({
        args: [
          `--entrypoints.websecure.address=127.0.0.1:${port}`,
          '--providers.file.filename=dynamic.yml',
          '--entrypoints.websecure.http.sanitizepath=false',
          '--global.checknewversion=false',
        ],
        files: {
          'dynamic.yml': page('traefik', 'yaml', around, {
            '      tls: {}\n': '',
            'kibana.example.com': '127.0.0.1',
          }),
        },
      }),
    },
  }
}

/** A Caddy that only sends sub-requests, without a route to elastauth's pages. */
export const onlyAsking: RealProxy = {
  name: 'Caddy without a route for our pages',
  program: 'caddy',
  profile: 'generic',
  command: ({ port }, { subRequests, kibana }) =>
    caddyCommand(`http://127.0.0.1:${port} {
  request_header -Remote*
  forward_auth ${subRequests} {
    uri /
    copy_headers Authorization
  }
  reverse_proxy ${kibana}
}`),
}

/** Its one block of that language; of YAML, which pages have for elastauth too, Traefik's. */
function blockOf(language: string): string {
  if (language !== 'yaml') return configurationFrom('../oidc.md', language)
  const text = readFileSync(join(pages, '../oidc.md'), 'utf8')
  const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block]) => block!)
  return blocks.find((block) => block.includes('forwardAuth'))!
}

function addressesOf({ elastauth, subRequests = '', kibana }: Backends): Record<string, string> {
  return { 'elastauth:5000': elastauth, 'elastauth:5001': subRequests, 'kibana:5601': kibana }
}

function caddyCommand(site: string) {
  const options = '{\n admin off\n auto_https off\n default_bind 127.0.0.1\n}\n'
  return { args: ['run', '--config', 'Caddyfile'], files: { Caddyfile: options + site } }
}

function nginxCommand(directory: string, page: string) {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const places = kinds.map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')
  const conf = `daemon off; master_process off; pid ${directory}/pid; error_log stderr warn;
    events { worker_connections 512; }
    http { access_log off; ${places} ${page} }`
  const args = ['-p', directory, '-e', 'stderr', '-c', join(directory, 'nginx.conf')]
  return { args, files: { 'nginx.conf': conf } }
}

/** Until Traefik has read its file, it has no route and responds with 404. */
function hasRoute(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ port, host: '127.0.0.1', path: '/elastauth/login' }, (answer) => {
      answer.resume()
      resolve(answer.statusCode !== 404)
    }).on('error', () => resolve(false))
  })
}
