import { isPlainPort, mayBeTlsPort } from '../http/tls-mismatch.ts'

/** Hints for failed TLS connections, by Node's error code or OpenSSL's message. */
const hints: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/CERT_HAS_EXPIRED/, "the upstream's certificate has expired: renew it on the upstream"],
  [/CERT_NOT_YET_VALID/, "the upstream's certificate is not valid yet: check the clocks of both machines"],
  [
    /ERR_TLS_CERT_ALTNAME_INVALID/,
    "the upstream's certificate is for other names: use one of them in the URL, or set it as tls.server_name of the route",
  ],
  [
    /DEPTH_ZERO_SELF_SIGNED_CERT/,
    "the upstream's certificate is self-signed: if it is the right one, add it to proxy.tls.ca_cert, or to tls.ca_cert of the route",
  ],
  [
    /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE/,
    "the upstream's certificate is issued by an unknown CA: add that CA to proxy.tls.ca_cert, or to tls.ca_cert of the route",
  ],
  [
    /alert certificate required/,
    'the upstream requires a client certificate: set proxy.tls.client_cert and client_key, or those in tls of the route',
  ],
  [
    /alert (?:unknown ca|decrypt error|bad certificate|certificate (?:expired|revoked|unknown)|unsupported certificate)/,
    'the upstream rejects our client certificate: check when client_cert expires, and which CAs the upstream trusts',
  ],
  [
    /alert handshake failure/,
    'the upstream and elastauth have no TLS parameters in common: often a client certificate is missing, see proxy.tls.client_cert and client_key',
  ],
]

const closedWithoutAlert =
  'the upstream closed the connection without a TLS alert, as some do if the client certificate is missing or rejected: see proxy.tls.client_cert'

/**
 * A hint for an error, or undefined if the error needs no explanation.
 * @param isBeforeResponse whether the error occurred before any part of a response had arrived
 */
export function hintFor(
  error: Error & { code?: string },
  upstream: string,
  isBeforeResponse: boolean,
): string | undefined {
  if (isPlainPort(error)) return 'the upstream does not speak TLS on this port: use http:// in its URL'
  const { code = '', message } = error
  const found = hints.find(([pattern]) => pattern.test(code) || pattern.test(message))
  if (found) return found[1]
  if (!isBeforeResponse) return undefined
  const usesTls = upstream.startsWith('https:')
  if (!usesTls && mayBeTlsPort(error)) return 'if the upstream expects TLS on this port, use https:// in its URL'
  const isClosed = code === 'UND_ERR_SOCKET' || code === 'ECONNRESET'
  return isClosed && usesTls ? closedWithoutAlert : undefined
}
