import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRedis } from '../../../src/redis/redis.ts'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'

test('a renewal rejects a Redis client certificate whose key belongs to another certificate, and accepts a matching pair', () => {
  const authority = createCertificateAuthority()
  const [own, another] = [authority.issue('own'), authority.issue('another')]
  const tls = { ca: authority.cert, ...own }
  const redis = createRedis({
    connection: {
      servers: { kind: 'standalone', address: { host: '127.0.0.1', port: 1 } },
      db: 0,
      timeoutMs: 100,
      tls,
    },
    onStateChange: () => {},
  })
  try {
    assert.throws(() => redis.prepareRenewal({ ...tls, key: another.key }), /key values mismatch/)
    redis.prepareRenewal({ ca: authority.cert, ...another })()
    redis.prepareRenewal(undefined)()
  } finally {
    redis.close()
  }
})
