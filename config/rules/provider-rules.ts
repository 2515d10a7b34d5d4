import { isLocalListener } from '../formats/listeners.ts'
import { isHeaderPreset, providersOf } from '../header-presets.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/** Checks which providers are combined, and in which order. */
export function checkProviders(
  { auth_providers: providers }: Config,
  isSet: (key: string) => boolean,
): (RuleViolation | false)[] {
  const key = 'auth_providers'
  const headerProviders = providers.filter(isHeaderPreset)
  return [
    providers.length > 0 &&
      isSet('auth_provider') &&
      violation(key, 'is set together with auth_provider', 'keep one of them', 'auth_provider'),
    headerProviders.length > 1 &&
      violation(key, `has ${headerProviders.join(' and ')}, which both read identity headers`, 'keep one of them'),
    providers.includes('static') &&
      providers.at(-1) !== 'static' &&
      violation(key, 'has providers after static, which would never be used', 'put static last'),
  ]
}

/** Rejects a dry run with the provider `elasticsearch`, which has to ask Elasticsearch about each credential. */
export function checkElasticsearchProvider(config: Config): (RuleViolation | false)[] {
  return [
    config.elasticsearch.dry_run &&
      providersOf(config).includes('elasticsearch') &&
      violation(
        'elasticsearch.dry_run',
        'is true, but the provider elasticsearch has to verify credentials',
        'set it to false, or remove the provider',
      ),
  ]
}

/** Requires users for the provider `users`, each in one place. */
export function checkUsersProvider(config: Config): (RuleViolation | false)[] {
  return [
    providersOf(config).includes('users') &&
      config.users.path === null &&
      Object.keys(config.users.inline).length === 0 &&
      violation('users.path', 'is required with the provider users', 'name a file of users, or write users.inline'),
    config.elasticsearch_auth.basic &&
      providersOf(config).includes('users') &&
      providersOf(config).includes('elasticsearch') &&
      violation(
        'elasticsearch_auth.basic',
        'is true beside the provider users, but only one provider can check passwords',
        'set it to false, or remove users from auth_providers',
        'auth_providers',
      ),
  ]
}

/** Requires local listeners for the static provider: it accepts every request, so other machines must not reach it. */
export function checkStaticProvider(config: Config): (RuleViolation | false)[] {
  const { static: user, listen, forward_auth, elasticsearch } = config
  if (!providersOf(config).includes('static')) return []
  const reachableProblem = 'can be reached from other machines, where every client would be the static user'
  const reachableFix = 'use 127.0.0.1 or a unix socket, or set static.allow_remote: true'
  return [
    user.username === null &&
      violation('static.username', 'is required with the provider static', 'write the username'),
    user.username !== null &&
      user.username.toLowerCase() === elasticsearch.username?.toLowerCase() &&
      violation(
        'static.username',
        'is the service account, which would lose its privileges',
        'use another name',
        'elasticsearch.username',
      ),
    !user.allow_remote &&
      !(forward_auth.listen ?? []).every(isLocalListener) &&
      violation('forward_auth.listen', reachableProblem, reachableFix),
    !user.allow_remote && !listen.every(isLocalListener) && violation('listen', reachableProblem, reachableFix),
  ]
}
