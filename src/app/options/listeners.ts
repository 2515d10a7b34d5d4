import { parseListeners } from '../../../config/formats/listeners.ts'
import type { Config } from '../../../config/schema.ts'
import type { TlsOptions } from '../../server/listen/tls.ts'
import type { ServerOptions } from '../../server/options.ts'
import { readCa, readPem } from './pem.ts'

/**
 * The addresses to listen on, and what each serves. If sub-requests have a separate address, a proxy's path rewriting
 * cannot turn a request for an endpoint into a sub-request.
 */
export function listenersOf({ listen, forward_auth, tls }: Config): ServerOptions['listeners'] {
  const hasCertificate = tls.cert !== null
  const listeners = parseListeners(listen, hasCertificate)
  if (forward_auth.listen === null) return listeners
  const own = parseListeners(forward_auth.listen, hasCertificate)
  return [
    ...listeners.map((listener) => ({ ...listener, serves: 'endpoints' as const })),
    ...own.map((listener) => ({ ...listener, serves: 'sub-requests' as const })),
  ]
}

/** The TLS options of the listeners. Throws if a file cannot be read. */
export function tlsOptions({ tls }: Config): TlsOptions {
  const { cert, key, client_ca, client_auth } = tls
  return { cert: readPem(cert), key: readPem(key), clientCa: readCa(client_ca), clientAuth: client_auth }
}
