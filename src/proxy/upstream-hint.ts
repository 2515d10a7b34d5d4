/** What to do about a failed TLS connection: Node says what is wrong by a code, or in OpenSSL's words. */
const hints: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [/CERT_HAS_EXPIRED/, 'the upstream’s certificate has expired: renew it there'],
  [/CERT_NOT_YET_VALID/, 'the upstream’s certificate is not valid yet: check the clocks of both machines'],
  [
    /ERR_TLS_CERT_ALTNAME_INVALID/,
    'the upstream’s certificate is for other names: write one of them in the URL, or as tls.server_name of the route',
  ],
  [
    /DEPTH_ZERO_SELF_SIGNED_CERT/,
    'the upstream’s certificate is self-signed: if it is the right one, put it into proxy.tls.ca_cert, or tls.ca_cert of the route',
  ],
  [
    /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE/,
    'nobody we know vouches for the upstream’s certificate: put its CA into proxy.tls.ca_cert, or tls.ca_cert of the route',
  ],
  [
    /alert certificate required/,
    'the upstream wants a client certificate: set proxy.tls.client_cert and client_key, or those in tls of the route',
  ],
  [
    /alert (?:unknown ca|decrypt error|bad certificate|certificate (?:expired|revoked|unknown)|unsupported certificate)/,
    'the upstream refuses our client certificate: check when client_cert ends, and whose certificates the upstream takes',
  ],
  [
    /alert handshake failure/,
    'the upstream wants other TLS than ours: often a client certificate, see proxy.tls.client_cert and client_key',
  ],
  [/wrong version number|packet length too long/, 'the upstream speaks no TLS on this port: write http:// in its URL'],
]

const silentRefusal =
  'it closed the connection without a word, as some do that miss a client certificate or refuse ours: see proxy.tls.client_cert'

/**
 * Undefined where the error says enough by itself.
 * @param isBeforeAnswer whether nothing of an answer had come
 */
export function hintFor(
  { code = '', message }: Error & { code?: string },
  upstream: string,
  isBeforeAnswer: boolean,
): string | undefined {
  const found = hints.find(([pattern]) => pattern.test(code) || pattern.test(message))
  if (found) return found[1]
  const isEnd = code === 'UND_ERR_SOCKET' || code === 'ECONNRESET'
  return isEnd && isBeforeAnswer && upstream.startsWith('https:') ? silentRefusal : undefined
}
