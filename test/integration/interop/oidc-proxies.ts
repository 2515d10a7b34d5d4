import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adapt, pages, readConfiguration } from './documented-configuration.ts'
import {
  type Backends,
  caddyCommand,
  createTraefik,
  haproxyCommand,
  nginxCommand,
  type RealProxy,
} from './real-proxy.ts'

/** The proxies as docs/oidc.md configures them. */
export type OidcProxies = Readonly<{ nginx: RealProxy; caddy: RealProxy; haproxy: RealProxy; traefik: RealProxy }>

type Change = (configuration: string) => string

/** @param changes what an administrator may have changed in the documented configuration */
export function createOidcProxies(changes: Partial<Record<keyof OidcProxies, Change>> = {}): OidcProxies {
  const configure = (name: keyof OidcProxies, language: string, backends: Backends, own: Record<string, string>) =>
    (changes[name] ?? ((text) => text))(adapt(readBlock(language), { ...addressesOf(backends), ...own }))
  return {
    nginx: {
      name: 'nginx',
      program: 'nginx',
      profile: 'nginx',
      command: ({ directory, port }, backends) =>
        nginxCommand(
          directory,
          configure('nginx', 'nginx', backends, { 'listen 443 ssl;': `listen 127.0.0.1:${port};` }),
        ),
    },
    caddy: {
      name: 'Caddy',
      program: 'caddy',
      profile: 'generic',
      command: ({ port }, backends) =>
        caddyCommand(
          configure('caddy', 'caddyfile', backends, { 'kibana.example.com {': `http://127.0.0.1:${port} {` }),
        ),
    },
    haproxy: {
      name: 'HAProxy',
      program: 'haproxy',
      profile: 'generic',
      command: ({ port }, backends) =>
        haproxyCommand(
          configure('haproxy', 'haproxy', backends, {
            'bind :80 ': `bind 127.0.0.1:${port} `,
            '/etc/haproxy/': '',
          }),
        ),
    },
    traefik: createTraefik(
      (backends) =>
        configure('traefik', 'yaml', backends, { '      tls: {}\n': '', 'kibana.example.com': '127.0.0.1' }),
      { host: '127.0.0.1', path: '/' },
    ),
  }
}

/** A Caddy that only sends sub-requests, without a route to elastauth's pages. */
export const caddyWithoutPages: RealProxy = {
  name: 'Caddy without a route to the pages',
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

/** The block of docs/oidc.md in this language; of its YAML blocks, the one for Traefik. */
function readBlock(language: string): string {
  if (language !== 'yaml') return readConfiguration('../oidc.md', language)
  const text = readFileSync(join(pages, '../oidc.md'), 'utf8')
  const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block]) => block!)
  return blocks.find((block) => block.includes('forwardAuth'))!
}

function addressesOf({ elastauth, subRequests = '', kibana }: Backends): Record<string, string> {
  return { 'elastauth:5000': elastauth, 'elastauth:5001': subRequests, 'kibana:5601': kibana }
}
