import type { IncomingMessage } from 'node:http'

/** The origin under which browsers know us, as far as a request tells. */
export type OwnOrigin = Readonly<{
  /** Undefined where nothing says so: without TLS of our own, a proxy before us may have ended it. */
  scheme: string | undefined
  /** With the port, if it is not the scheme's own. */
  host: string
}>

/** What a request says of the origin that it was made to: X-Forwarded-Proto and -Host of a trusted proxy, else its own. */
export function ownOriginOf({ headers, socket }: IncomingMessage, isTrusted: boolean): OwnOrigin | undefined {
  const scheme = (isTrusted && headers['x-forwarded-proto']) || ('encrypted' in socket ? 'https' : undefined)
  const host = (isTrusted && headers['x-forwarded-host']) || headers.host
  return typeof host === 'string' && !Array.isArray(scheme) ? { scheme, host } : undefined
}

export function originOfUrl(url: string): OwnOrigin {
  const { protocol, host } = new URL(url)
  return { scheme: protocol.slice(0, -1), host }
}

const hostPattern = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/** As browsers write it in `Origin`; undefined for what makes none. @param assumedScheme where our own is unknown */
export function toOrigin(own: OwnOrigin, assumedScheme: string): string | undefined {
  const { scheme = assumedScheme, host } = own
  if (!hostPattern.test(host) || !/^https?$/.test(scheme)) return undefined
  return URL.parse(`${scheme}://${host}`)?.origin
}
