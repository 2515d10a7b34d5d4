import { readFileSync } from 'node:fs'
import { pathOf } from '../../support/example.ts'
import { adapt, readConfiguration } from './documented-configuration.ts'
import {
  type Backends,
  type Command,
  caddyCommand,
  createTraefik,
  haproxyCommand,
  nginxCommand,
  type Place,
  type RealProxy,
} from './real-proxy.ts'

/** @param configuration that of its page by default, as for the others */
export function createNginx(configuration = readConfiguration('nginx.md', 'nginx')): RealProxy {
  return {
    name: 'nginx',
    program: 'nginx',
    profile: 'nginx',
    command: ({ directory, port }, backends) =>
      nginxCommand(
        directory,
        adapt(configuration, {
          ...addresses(backends),
          'listen 80;': `listen 127.0.0.1:${port};`,
          '/run/nginx-elastauth.sock': `${directory}/elastauth.sock`,
        }),
      ),
  }
}

export function createCaddy(configuration = readConfiguration('caddy.md', 'caddyfile')): RealProxy {
  return {
    name: 'Caddy',
    program: 'caddy',
    profile: 'generic',
    command: ({ port }, backends) =>
      caddyCommand(
        adapt(configuration, {
          ...addresses(backends),
          'kibana.example.com {': `http://kibana.example.com:${port} {`,
        }),
      ),
  }
}

/** @param script what to run as forward-auth.lua; the documented script by default */
export function createHaproxy(script?: string, configuration = readConfiguration('haproxy.md', 'haproxy')): RealProxy {
  return {
    name: 'HAProxy',
    program: 'haproxy',
    profile: 'generic',
    command: ({ port }, backends) =>
      haproxyCommand(
        adapt(configuration, {
          ...addresses(backends),
          'bind :80 ': `bind 127.0.0.1:${port} `,
          '/etc/haproxy/': '',
        }),
        script,
      ),
  }
}

const traefik = createTraefik(
  (backends) => adapt(readConfiguration('traefik.md', 'yaml'), { ...addresses(backends), '      tls: {}\n': '' }),
  { host: 'kibana.example.com', path: '/' },
)

/** Traefik with the routes of examples/traefik-authelia, and the middleware for the proxy secret that its setup.sh writes. */
export const traefikExample: RealProxy = {
  ...createTraefik(
    (backends) => {
      const routes = readFileSync(pathOf('traefik-authelia', 'routes.yml'), 'utf8').replace(/^tls:\n(?: .*\n)+/m, '')
      const { 'change-this-secret': secret, ...servers } = addresses(backends)
      const headers = { customRequestHeaders: { 'X-Elastauth-Proxy-Secret': secret } }
      return adapt(routes, {
        ...servers,
        'kibana.elastauth.localhost': 'kibana.example.com',
        '      tls: {}\n': '',
        '  middlewares:\n': `  middlewares:\n    proxy-secret: ${JSON.stringify({ headers })}\n`,
        '  serversTransports:\n    elasticsearch: { rootCAs: [/secrets/ca.crt], serverName: elasticsearch }\n': '',
        ', serversTransport: elasticsearch': '',
      })
    },
    { host: 'kibana.example.com', path: '/' },
  ),
  name: 'Traefik with the routes of the example',
}

/** Caddy with the Caddyfile of examples/caddy-authelia, but without TLS. */
export const caddyExample = createCaddyExample(
  'Caddy with the Caddyfile of the example',
  ({ directory, port }, backends) => ({
    caddyfile: {
      'https://elasticsearch:9200': `http://${backends.kibana}`,
      'https://kibana.elastauth.localhost:8443 {': `http://kibana.example.com:${port} {`,
      'https://elasticsearch.elastauth.localhost:8443 {': `http://elasticsearch.example.com:${port} {`,
      'https://auth.elastauth.localhost:8443 {': `http://auth.example.com:${port} {`,
      '127.0.0.1:8080': `127.0.0.1:${port}`,
      '\ttls /secrets/tls.crt /secrets/tls.key\n': '',
      '/secrets/': `${directory}/`,
    },
    files: { 'proxy-secret': `header_up X-Elastauth-Proxy-Secret ${backends.proxySecret}\n` },
  }),
)

/** @param adaptTo returns what to replace in the Caddyfile besides the addresses, and further files and variables for Caddy */
export function createCaddyExample(
  name: string,
  adaptTo: (place: Place, backends: Backends) => { caddyfile: Record<string, string> } & Partial<Command>,
): RealProxy {
  return {
    name,
    program: 'caddy',
    profile: 'generic',
    command(place, backends) {
      const { 'change-this-secret': _, ...servers } = addresses(backends)
      const { caddyfile, files, env = {} } = adaptTo(place, backends)
      const text = adapt(readFileSync(pathOf('caddy-authelia', 'Caddyfile'), 'utf8'), {
        ...servers,
        ...caddyfile,
        '\tadmin off\n': '\tadmin off\n\tdefault_bind 127.0.0.1\n',
        [`\tforward_auth ${backends.elastauth} {`]: `${linesForCaddy26}\tforward_auth ${backends.elastauth} {`,
      })
      return { args: ['run', '--config', 'Caddyfile'], files: { Caddyfile: text, ...files }, env }
    },
  }
}

/** Lines of the page for Caddy 2.6, which these tests run. The newer Caddy in the image of the example does not need them. */
const [linesForCaddy26] = /^\t+# Caddy 2\.6 (?:.*\n)*?.*@no-name -Remote-Name\n/m.exec(
  readConfiguration('caddy.md', 'caddyfile'),
)!

export const realProxies: readonly RealProxy[] = [
  createNginx(),
  createCaddy(),
  caddyExample,
  createHaproxy(),
  traefik,
  traefikExample,
]

function addresses({ authelia, elastauth, kibana, proxySecret }: Backends): Record<string, string> {
  return {
    'authelia:9091': authelia,
    'elastauth:5000': elastauth,
    'kibana:5601': kibana,
    'change-this-secret': proxySecret,
  }
}
