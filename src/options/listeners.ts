import type { Config } from '../../config/schema.ts'
import type { TlsOptions } from '../listeners/tls.ts'
import { readPem } from './pem.ts'

/** For our listeners. */
export function tlsOptions({ cert, key, client_ca, client_auth }: Config['tls']): TlsOptions {
  return { cert: readPem(cert), key: readPem(key), clientCa: readPem(client_ca), clientAuth: client_auth }
}
