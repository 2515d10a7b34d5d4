import type { Config } from '../../config/schema.ts'
import type { Peer } from '../auth/trust/trust.ts'

/** The client's request, as the command line describes it. */
export type RequestDescription = Readonly<{
  method?: string | undefined
  path?: string | undefined
  host?: string | undefined
  /** `Name: value`, as the peer sends them. */
  headers: readonly string[]
  /** The value of `Authorization`. */
  authorization?: string | undefined
}>

/**
 * The head that elastauth would receive. In auth-only mode that is a sub-request, in which the proxy describes the request. The
 * `proxy_secret` is added, as the proxy does, unless the headers have one.
 */
export function writeHead(description: RequestDescription, config: Config): Readonly<{ head: Buffer; target: string }> {
  const { headers, authorization } = description
  const { method, target, host, described } = config.proxy.enabled
    ? asSent(description)
    : asSubRequest(description, config)
  const given = new Set(headers.map((header) => header.slice(0, header.indexOf(':')).trim().toLowerCase()))
  const { proxy_secret: secret, proxy_secret_header } = config
  const added = [
    ['Host', host],
    ...described,
    ...(secret === null ? [] : [[proxy_secret_header, secret] as const]),
    ...(authorization === undefined ? [] : [['Authorization', authorization] as const]),
  ].filter(([name]) => !given.has(name!.toLowerCase()))
  const lines = [`${method} ${target} HTTP/1.1`, ...added.map(([name, value]) => `${name}: ${value}`), ...headers]
  return { head: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), target }
}

type Sent = Readonly<{
  method: string
  target: string
  host: string
  /** Headers that describe the client's request. */
  described: readonly (readonly [name: string, value: string])[]
}>

function asSent({ method = 'GET', path = '/', host = 'localhost' }: RequestDescription): Sent {
  return { method, target: path, host, described: [] }
}

function asSubRequest({ method = 'GET', path, host }: RequestDescription, { forward_auth }: Config): Sent {
  const { profile, path_prefix } = forward_auth
  const target = path ?? '/'
  if (path_prefix !== null)
    return {
      method,
      target: path_prefix + target,
      host: host ?? 'localhost',
      described: [['X-Forwarded-Proto', 'https']],
    }
  const hostName = host ?? 'localhost'
  const described: Sent['described'] =
    profile === 'nginx'
      ? [
          ['X-Original-Method', method],
          ['X-Original-URL', `https://${hostName}${target}`],
        ]
      : [
          ['X-Forwarded-Method', method],
          ['X-Forwarded-Uri', target],
          ['X-Forwarded-Host', hostName],
          ['X-Forwarded-Proto', 'https'],
        ]
  return { method: 'GET', target: '/', host: 'localhost', described }
}

/** @param from an address, `unix` or `client_cert`; by default the first peer in `trusted_proxies` */
export function readPeer(from: string | undefined, { trusted_proxies }: Config): Peer {
  const peer = from ?? trusted_proxies[0] ?? 'none'
  if (peer === 'unix') return { address: undefined, isUnixSocket: true }
  if (peer === 'client_cert') return { address: '127.0.0.1', hasVerifiedCertificate: true }
  return { address: examples[peer] ?? peer.split('/')[0] }
}

/** An address of each named network. */
const examples: Readonly<Record<string, string>> = {
  loopback: '127.0.0.1',
  private: '10.0.0.1',
  all: '127.0.0.1',
  none: '127.0.0.1',
}
