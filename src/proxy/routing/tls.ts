import { isIP } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import { withoutBrackets } from '../../../config/hosts.ts'

/** Certificates and keys as PEM: the client certificate for an upstream, and the CA to verify the upstream with. */
export type UpstreamTls = Readonly<{
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
  /** The name for SNI and verification, instead of the host in the URL. */
  serverName?: string | undefined
  insecureSkipVerify: boolean
}>

/** Options of `tls.connect`. */
export type TlsOptions = Readonly<{ secureContext: SecureContext; rejectUnauthorized: boolean; servername: string }>

/**
 * Creates the TLS options for all connections to an upstream. Throws OpenSSL's error if it cannot use a certificate.
 */
export function createTlsOptions(url: URL, { ca, cert, key, serverName, insecureSkipVerify }: UpstreamTls): TlsOptions {
  return Object.freeze({
    secureContext: createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }),
    rejectUnauthorized: !insecureSkipVerify,
    servername: serverName ?? serverNameOf(url),
  })
}

/**
 * The URL's host for SNI. Empty for an IP address, which SNI does not allow (RFC 6066, section 3); Node verifies the
 * address nevertheless.
 */
function serverNameOf(url: URL): string {
  const host = withoutBrackets(url.hostname)
  return isIP(host) === 0 ? host : ''
}
