import type { Fault, SourceLocation } from '../faults.ts'
import { checkKeyPair } from '../formats/pem.ts'
import type { Config } from '../schema.ts'
import { checkPair, checkRedis, checkServiceAccount, checkStaticProvider } from './checks.ts'
import { checkHeaders } from './header-rules.ts'
import { checkListen, checkTls } from './listen-rules.ts'
import { checkOidc } from './oidc-rules.ts'
import { checkProviders } from './provider-rules.ts'
import { checkForwardAuth, checkProxy, checkProxyRoutes } from './proxy-rules.ts'
import { type RuleViolation, violation } from './violation.ts'

type Rule = (config: Config, isSet: (key: string) => boolean) => readonly (RuleViolation | false)[]

/** What must hold between keys. No rule throws; each sees defaults where a key is not set. */
const rules: readonly Rule[] = [
  ({ secret_key }) => [
    secret_key === null &&
      violation(
        'secret_key',
        'is required',
        'set ELASTAUTH_SECRET_KEY to the output of `elastauth --generateKey` or `openssl rand -hex 32`',
      ),
  ],
  ({ secret_key, previous_secret_keys: previous }) => [
    secret_key !== null &&
      previous.includes(secret_key) &&
      violation('previous_secret_keys', 'holds the present secret_key', 'list former keys only'),
  ],
  ({ enable_group_whitelist, group_whitelist }) => [
    enable_group_whitelist &&
      group_whitelist.length === 0 &&
      violation(
        'group_whitelist',
        'is empty while enable_group_whitelist is true, so nobody could enter',
        'list the groups to let in',
      ),
  ],
  checkServiceAccount,
  (config) => keyPairs(config).flatMap((pair) => [...checkPair(...pair), checkKeyPair(...pair)]),
  checkListen,
  checkTls,
  checkStaticProvider,
  checkHeaders,
  checkRedis,
  ({ cache }) => [
    cache.rotation_pause >= cache.expiration &&
      violation(
        'cache.rotation_pause',
        'is not shorter than cache.expiration',
        'shorten it, or lengthen cache.expiration',
      ),
  ],
  checkForwardAuth,
  checkProxy,
  checkProxyRoutes,
  checkProviders,
  checkOidc,
]

type KeyPair = readonly [certKey: string, certFile: string | null, keyKey: string, keyFile: string | null]

function keyPairs({ elasticsearch, cache, proxy, tls }: Config): readonly KeyPair[] {
  const ofRoutes = proxy.routes.map(({ tls }, index): KeyPair => {
    const key = `proxy.routes[${index}].tls`
    return [`${key}.client_cert`, tls.client_cert, `${key}.client_key`, tls.client_key]
  })
  return [
    ['tls.cert', tls.cert, 'tls.key', tls.key],
    ['elasticsearch.client_cert', elasticsearch.client_cert, 'elasticsearch.client_key', elasticsearch.client_key],
    ['cache.redis_client_cert', cache.redis_client_cert, 'cache.redis_client_key', cache.redis_client_key],
    ['proxy.tls.client_cert', proxy.tls.client_cert, 'proxy.tls.client_key', proxy.tls.client_key],
    ...ofRoutes,
  ]
}

/** Faults between keys, save where one of the keys is at fault already: a second message would only distract. */
export function findRuleViolations(
  config: Config,
  faulty: ReadonlySet<string>,
  placeOf: (key: string) => SourceLocation | undefined,
): Fault[] {
  // An unread file holds nobody knows which keys
  if (faulty.has('--config') || faulty.has('YAML')) return []
  return rules
    .flatMap((rule) => rule(config, (key) => placeOf(key) !== undefined))
    .filter((fault) => fault !== false)
    .filter(({ key, otherKey = key }) => !isFaulty(key, faulty) && !isFaulty(otherKey, faulty))
    .map(({ key, problem, fix }) => ({ ...placeOf(key), key, problem, fix }))
}

/** Whether the key, a part of it or a section around it is among the faulty ones. */
function isFaulty(key: string, faulty: ReadonlySet<string>): boolean {
  return [...faulty].some(
    (other) =>
      other === key || other.startsWith(`${key}[`) || other.startsWith(`${key}.`) || key.startsWith(`${other}.`),
  )
}
