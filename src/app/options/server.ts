import { parseListeners } from '../../../config/formats/listeners.ts'
import type { Config } from '../../../config/schema.ts'
import type { ListenerScope } from '../../http/handler.ts'
import { defaultRequestTimeouts } from '../../server/listen/limits.ts'
import type { TlsOptions } from '../../server/listen/tls.ts'
import type { ServerOptions } from '../../server/options.ts'
import { readCa, readPem } from './pem.ts'

export function serverOptions(config: Config) {
  const { proxy } = config
  return {
    listeners: listenersOf(config),
    tls: tlsOptions(config),
    unixSocketMode: Number.parseInt(config.listen_mode, 8),
    // In proxy mode an upload may take any time, as long as the upstream accepts data.
    requestTimeouts: proxy.enabled ? { requestMs: 0, drainMs: proxy.timeout } : defaultRequestTimeouts,
  } satisfies Partial<ServerOptions>
}

/** The TLS options of the listeners. Throws if a file cannot be read. */
export function tlsOptions({ tls }: Config): TlsOptions {
  const { cert, key, client_ca, client_auth } = tls
  return { cert: readPem(cert), key: readPem(key), clientCa: readCa(client_ca), clientAuth: client_auth }
}

/**
 * The addresses to listen on, and what each serves. If sub-requests have a separate address, a proxy's path rewriting
 * cannot turn a request for an endpoint into a sub-request.
 */
function listenersOf({ listen, forward_auth, metrics, tls }: Config): ServerOptions['listeners'] {
  const hasCertificate = tls.cert !== null
  const parse = (addresses: readonly string[] | null, serves: ListenerScope) =>
    parseListeners(addresses ?? [], hasCertificate).map((listener) => ({ ...listener, serves }))
  return [
    ...parse(listen, forward_auth.listen === null ? 'everything' : 'endpoints'),
    ...parse(forward_auth.listen, 'sub-requests'),
    ...parse(metrics.listen, 'metrics'),
  ]
}
