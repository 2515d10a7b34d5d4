import { isIP } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'

/** PEM texts; how to prove ourselves to an upstream, and how it proves itself to us. */
export type UpstreamTls = Readonly<{
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
  /** The name to ask for and to verify, in place of the URL's. */
  serverName?: string | undefined
  insecureSkipVerify: boolean
}>

/** As `tls.connect` takes them. */
export type TlsOptions = Readonly<{ secureContext: SecureContext; rejectUnauthorized: boolean; servername: string }>

/** Made once for all connections to an upstream. Throws what OpenSSL says of certificates that it cannot use. */
export function createTlsOptions(url: URL, { ca, cert, key, serverName, insecureSkipVerify }: UpstreamTls): TlsOptions {
  return Object.freeze({
    secureContext: createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }),
    rejectUnauthorized: !insecureSkipVerify,
    servername: serverName ?? nameOf(url),
  })
}

/** The URL's own, whatever `Host` the client sends. An IP address is no server name (RFC 6066, 3): it is verified all the same. */
function nameOf(url: URL): string {
  const host = unbracketedHost(url)
  return isIP(host) === 0 ? host : ''
}

/** The host without the brackets that an IPv6 address has in a URL. */
export function unbracketedHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}
