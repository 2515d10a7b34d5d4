import { isMatchingKeyPair } from '../formats/pem.ts'
import type { Config } from '../schema.ts'
import { checkBothOrNeither, type KeyValue, type RuleViolation, violation } from './violation.ts'

/** A certificate file needs its private key file, and the two must match. */
export function checkKeyPairs(config: Config): (RuleViolation | false)[] {
  return keyPairs(config).flatMap(([certificate, privateKey]) => [
    ...checkBothOrNeither(certificate, privateKey),
    checkMatch(certificate, privateKey),
  ])
}

function keyPairs({ elasticsearch, cache, proxy, tls }: Config): (readonly [certificate: KeyValue, key: KeyValue])[] {
  const routePairs = proxy.routes.map((route, index) => {
    const section = `proxy.routes[${index}].tls`
    return [
      [`${section}.client_cert`, route.tls.client_cert],
      [`${section}.client_key`, route.tls.client_key],
    ] as const
  })
  return [
    [
      ['tls.cert', tls.cert],
      ['tls.key', tls.key],
    ],
    [
      ['elasticsearch.client_cert', elasticsearch.client_cert],
      ['elasticsearch.client_key', elasticsearch.client_key],
    ],
    [
      ['cache.redis_client_cert', cache.redis_client_cert],
      ['cache.redis_client_key', cache.redis_client_key],
    ],
    [
      ['proxy.tls.client_cert', proxy.tls.client_cert],
      ['proxy.tls.client_key', proxy.tls.client_key],
    ],
    ...routePairs,
  ]
}

function checkMatch([certKey, certFile]: KeyValue, [privateKeyKey, privateKeyFile]: KeyValue): RuleViolation | false {
  if (certFile === null || privateKeyFile === null || isMatchingKeyPair(certFile, privateKeyFile)) return false
  return violation(privateKeyKey, `does not belong to ${certKey}`, 'name the private key of that certificate', certKey)
}
