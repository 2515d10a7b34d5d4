import type { Fault, SourceLocation } from '../faults.ts'
import type { Config } from '../schema.ts'
import { checkAudit } from './audit-rules.ts'
import { checkHeaders } from './header-rules.ts'
import { checkKeyPairs } from './key-pair-rules.ts'
import { checkListen, checkMetricsListen, checkTls } from './listen-rules.ts'
import { checkOidc } from './oidc-rules.ts'
import {
  checkElasticsearchProvider,
  checkProviders,
  checkStaticProvider,
  checkUsersProvider,
} from './provider-rules.ts'
import { checkForwardAuth, checkProxy, checkProxyRoutes } from './proxy-rules.ts'
import { checkRedis } from './redis-rules.ts'
import { checkUserRetention } from './retention-rules.ts'
import { checkServiceAccount } from './service-account-rules.ts'
import { type RuleViolation, violation } from './violation.ts'

type Rule = (config: Config, isSet: (key: string) => boolean) => readonly (RuleViolation | false)[]

/**
 * The rules that relate several keys to each other. A rule must not throw, and sees the default of a key that is not
 * set.
 */
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
      violation('previous_secret_keys', 'contains the current secret_key', 'list former keys only'),
  ],
  ({ enable_group_whitelist, group_whitelist }) => [
    enable_group_whitelist &&
      group_whitelist.length === 0 &&
      violation(
        'group_whitelist',
        'is empty although enable_group_whitelist is true, so every user would be denied',
        'list the allowed groups',
      ),
  ],
  checkServiceAccount,
  checkKeyPairs,
  checkListen,
  checkMetricsListen,
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
  checkUserRetention,
  checkForwardAuth,
  checkProxy,
  checkProxyRoutes,
  checkProviders,
  checkElasticsearchProvider,
  checkUsersProvider,
  checkOidc,
  checkAudit,
]

/**
 * Finds violated rules. Rules about a key that already has a fault are skipped, because a second message would only
 * distract.
 */
export function findRuleViolations(
  config: Config,
  faultyKeys: ReadonlySet<string>,
  locationOf: (key: string) => SourceLocation | undefined,
): Fault[] {
  // The unreadable file may set any key, so every rule might report a fault that does not exist.
  if (faultyKeys.has('--config') || faultyKeys.has('YAML')) return []
  return rules
    .flatMap((rule) => rule(config, (key) => locationOf(key) !== undefined))
    .filter((fault) => fault !== false)
    .filter(({ key, otherKey = key }) => !isFaulty(key, faultyKeys) && !isFaulty(otherKey, faultyKeys))
    .map(({ key, problem, fix }) => ({ ...locationOf(key), key, problem, fix }))
}

/** Whether the key, a part of its value or a section that contains it has a fault. */
function isFaulty(key: string, faultyKeys: ReadonlySet<string>): boolean {
  return [...faultyKeys].some(
    (other) =>
      other === key || other.startsWith(`${key}[`) || other.startsWith(`${key}.`) || key.startsWith(`${other}.`),
  )
}
