/** Whether a TLS handshake failed because the server does not speak TLS on this port, from OpenSSL's reason. */
export function isPlainPort(error: unknown): boolean {
  return /wrong version number|packet length too long/.test(messageOf(error))
}

/**
 * Whether a request without TLS failed in a way in which servers reject it on a TLS port: they close the connection, or
 * send a TLS alert, which is neither HTTP nor RESP. The cause may also be another one.
 */
export function mayBeTlsPort(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return (
    code === 'UND_ERR_SOCKET' ||
    code === 'ECONNRESET' ||
    /other side closed|Expected HTTP\/|Unknown RESP type/.test(messageOf(error))
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}
