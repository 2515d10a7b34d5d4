import type { IncomingMessage } from 'node:http'

export type OriginalRequest = Readonly<{ method: string; path: string; domain?: string | undefined }>

const longestPath = 2048

/**
 * The request that a forward-auth sub-request asks about. For the log: nothing is allowed or refused by it.
 * Traefik and Caddy say it in X-Forwarded-*, nginx by convention in X-Original-*. Only a trusted peer is believed.
 */
export function createOriginalRequest(isTrusted: (request: IncomingMessage) => boolean) {
  return function originalRequest(request: IncomingMessage): OriginalRequest {
    const own = { method: request.method ?? 'GET', path: withoutQuery(request.url ?? '/') }
    if (!isTrusted(request)) return own
    const { headers } = request
    const method = single(headers['x-forwarded-method']) ?? single(headers['x-original-method'])
    const url = single(headers['x-forwarded-uri']) ?? single(headers['x-original-url'])
    const domain = single(headers['x-forwarded-host'])
    return {
      method: method !== undefined && /^[A-Z]{1,20}$/.test(method) ? method : own.method,
      path: url === undefined ? own.path : withoutQuery(url),
      domain: domain && printable(domain.slice(0, 255)),
    }
  }
}

/** X-Original-URL may be absolute. The query goes: it may hold a token. */
function withoutQuery(url: string): string {
  const path = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  const end = path.search(/[?#]/)
  return printable((end === -1 ? path : path.slice(0, end)).slice(0, longestPath)) || '/'
}

/** What a terminal obeys (U+009B is ESC and a bracket in one) as a URL writes the byte: logs are read on terminals. */
function printable(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f]/g, (byte) => `%${Buffer.from(byte, 'latin1').toString('hex').toUpperCase()}`)
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
