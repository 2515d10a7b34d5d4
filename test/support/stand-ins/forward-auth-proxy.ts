import { type IncomingHttpHeaders, type IncomingMessage, type RequestListener, request } from 'node:http'
import type { Address } from '../../integration/interop/listen.ts'

export type Backends = Readonly<{
  /** The hostname of the portal; all others are Kibana's. */
  portal: string
  signOutUrl: string
  authelia: Address
  elastauth: Address
  kibana: Address
  proxySecret: string
  /** Which clients may say who they are, which a journey has to notice. */
  trusts?: 'no client' | 'every client' | 'users'
}>

/** The order of Traefik's middlewares in examples/traefik-authelia: strip, Authelia, elastauth, then Kibana. */
export function createForwardAuthProxy(backends: Backends): RequestListener {
  const { portal, signOutUrl, authelia, elastauth, kibana, proxySecret, trusts = 'no client' } = backends
  return async (incoming, response) => {
    const { url = '', headers, method = '' } = incoming
    const host = headers.host?.split(':')[0]
    const relay = ({ statusCode = 502, headers }: IncomingMessage, body: IncomingMessage) =>
      body.pipe(response.writeHead(statusCode, headers))
    if (host === portal) {
      const received = await forward(authelia, url, { method, headers }, incoming)
      return relay(received, received)
    }
    if (/^\/(api\/security\/)?logout$/.test(new URL(url, 'http://x').pathname)) {
      return response.writeHead(302, { location: signOutUrl }).end()
    }
    const original = {
      'x-forwarded-proto': 'https',
      'x-forwarded-host': headers.host,
      'x-forwarded-uri': url,
      'x-forwarded-method': method,
    }
    const isTrusted = trusts === 'every client' || (trusts === 'users' && headers.cookie !== undefined)
    const identity =
      isTrusted && headers['remote-user'] !== undefined
        ? undefined
        : await forward(authelia, '/api/authz/forward-auth', { headers: { ...original, cookie: headers.cookie } })
    if (identity !== undefined && identity.statusCode !== 200) return relay(identity, identity)
    identity?.resume()
    const { 'remote-user': user, 'remote-groups': groups } = identity?.headers ?? headers
    const subRequest = {
      ...original,
      'remote-user': user,
      'remote-groups': groups,
      'x-elastauth-proxy-secret': proxySecret,
    }
    const credential = await forward(elastauth, '/', { headers: subRequest })
    if (credential.statusCode !== 200) return relay(credential, credential)
    credential.resume()
    const { authorization } = credential.headers
    const received = await forward(kibana, url, { method, headers: { ...headers, authorization } }, incoming)
    return relay(received, received)
  }
}

type Sent = Readonly<{ method?: string; headers: IncomingHttpHeaders }>

function forward(address: Address, path: string, sent: Sent, body?: IncomingMessage): Promise<IncomingMessage> {
  const headers = Object.fromEntries(Object.entries(sent.headers).filter(([, value]) => value !== undefined))
  return new Promise((resolve, reject) => {
    const outgoing = request(`http://${address}${path}`, { ...sent, headers }, resolve).on('error', reject)
    if (body === undefined) outgoing.end()
    else body.pipe(outgoing)
  })
}
