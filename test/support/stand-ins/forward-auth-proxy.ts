import { type IncomingHttpHeaders, type IncomingMessage, type RequestListener, request } from 'node:http'
import type { Address } from '../../integration/interop/listen.ts'

export type Backends = Readonly<{
  /** Authelia's portal is `auth.DOMAIN`. */
  domain: string
  authelia: Address
  elastauth: Address
  kibana: Address
  proxySecret: string
  /** Whose identity headers the proxy accepts: any but `no client` is a fault that a journey has to detect. */
  trusts?: 'no client' | 'every client' | 'users'
}>

/** Sends requests to Authelia, elastauth and Kibana in the order of examples/traefik-authelia. */
export function createForwardAuthProxy(backends: Backends): RequestListener {
  const { domain, authelia, kibana } = backends
  return async (incoming, response) => {
    const { url = '', headers, method = '' } = incoming
    const [host, port] = headers.host?.split(':') ?? []
    const relay = (received: IncomingMessage) =>
      received.pipe(response.writeHead(received.statusCode ?? 502, received.headers))
    if (host === `auth.${domain}`) {
      relay(await forward(authelia, url, { method, headers }, incoming))
    } else if (/^\/(api\/security\/)?logout$/.test(url)) {
      response.writeHead(302, { location: `https://auth.${domain}:${port}/logout` }).end()
    } else {
      const verdict = await authenticate(backends, incoming)
      if (verdict.statusCode !== 200) return relay(verdict)
      const { authorization } = verdict.headers
      relay(await forward(kibana, url, { method, headers: { ...headers, authorization } }, incoming))
    }
  }
}

/** @returns elastauth's response with a credential, or the first response that denies the request */
async function authenticate(backends: Backends, { url, method, headers }: IncomingMessage): Promise<IncomingMessage> {
  const { authelia, elastauth, proxySecret, trusts = 'no client' } = backends
  const original = {
    'x-forwarded-proto': 'https',
    'x-forwarded-host': headers.host,
    'x-forwarded-uri': url,
    'x-forwarded-method': method,
  }
  const isTrusted = trusts === 'every client' || (trusts === 'users' && headers.cookie !== undefined)
  let identity = headers
  if (!isTrusted || headers['remote-user'] === undefined) {
    const subRequest = { headers: { ...original, cookie: headers.cookie } }
    const verdict = await forward(authelia, '/api/authz/forward-auth', subRequest)
    if (verdict.statusCode !== 200) return verdict
    verdict.resume()
    identity = verdict.headers
  }
  const { 'remote-user': user, 'remote-groups': groups } = identity
  const asserted = { 'remote-user': user, 'remote-groups': groups, 'x-elastauth-proxy-secret': proxySecret }
  const verdict = await forward(elastauth, '/', { headers: { ...original, ...asserted } })
  if (verdict.statusCode === 200) verdict.resume()
  return verdict
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
