import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RedisOptions } from 'ioredis'
import { createCertificateAuthority } from '../elasticsearch/certificates.ts'

export type RedisTls = Readonly<{
  /** Lines of redis.conf: TLS for all connections, with client certificates (mTLS). */
  config: readonly string[]
  /** For the connection of the test. */
  client: Omit<RedisOptions, 'replyMapping'>
  /** For redis-cli. */
  arguments: readonly string[]
  /** For a gateway. */
  flags: Readonly<Record<string, string>>
  /** Replaces all files with certificates of a new authority. A running server keeps what it has read. */
  renew: () => void
}>

/** Creates an authority, a server certificate and a client certificate, as files in the new directory `name` below `parent`. */
export function createRedisTls(parent: string, name: string): RedisTls {
  const directory = join(parent, name)
  mkdirSync(directory)
  const path = (file: string) => join(directory, file)
  const tls: { ca?: string; cert?: string; key?: string } = {}

  function renew(): void {
    const authority = createCertificateAuthority()
    const [server, client] = [authority.issue('redis'), authority.issue('elastauth')]
    Object.assign(tls, { ca: authority.cert, ...client })
    writeFileSync(path('ca.pem'), authority.cert)
    writeFileSync(path('server.pem'), server.cert)
    writeFileSync(path('server.key'), server.key)
    writeFileSync(path('client.pem'), client.cert)
    writeFileSync(path('client.key'), client.key)
  }

  renew()
  return Object.freeze({
    config: [
      `tls-ca-cert-file ${path('ca.pem')}`,
      `tls-cert-file ${path('server.pem')}`,
      `tls-key-file ${path('server.key')}`,
      'tls-auth-clients yes',
      'tls-replication yes', // also for Sentinels
    ],
    client: { tls },
    arguments: ['--tls', '--cacert', path('ca.pem'), '--cert', path('client.pem'), '--key', path('client.key')],
    flags: {
      'cache.redis_ca_cert': path('ca.pem'),
      'cache.redis_client_cert': path('client.pem'),
      'cache.redis_client_key': path('client.key'),
    },
    renew,
  })
}
