/**
 * Returns the same text for all spellings of a header's name that some server treats as the same header. Case is
 * insignificant (RFC 9110, 5.1), and CGI (RFC 3875, 4.1.18) and its successors do not distinguish `-`, `_` and `.`.
 */
export function canonicalizeHeaderName(name: string): string {
  return name.toLowerCase().replace(/[_.]/g, '-')
}

/** Headers of HTTP/1.1 that make an HTTP/2 message malformed (RFC 9113, 8.2.2). */
export const connectionSpecificHeaders: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/**
 * Hop-by-hop headers, which a proxy does not forward (RFC 9110, 7.6.1, and RFC 2616, 13.5.1). Headers that `Connection`
 * names are hop-by-hop too, but not listed here. `trailer` is listed because elastauth does not forward trailers.
 */
export const hopByHopHeaders: ReadonlySet<string> = new Set([
  ...connectionSpecificHeaders,
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'te',
  'trailer',
])
