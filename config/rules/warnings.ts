import { certificateExpiry } from '../formats/pem.ts'
import { providersOf } from '../header-presets.ts'
import type { Config } from '../schema.ts'
import { findAccessWarnings } from './access-warnings.ts'

/** Warnings about settings that are accepted, but risky or without effect. */
export function findWarnings(config: Config, isSet: (key: string) => boolean): string[] {
  const { cache, elasticsearch, oidc, proxy, tls } = config
  const expiry = tls.cert === null ? undefined : certificateExpiry(tls.cert)
  const hasOidc = providersOf(config).includes('oidc')
  const candidates: [applies: boolean, text: string][] = [
    [
      cache.type === 'file',
      'cache.type "file" is treated as "memory": credentials are derived from secret_key and Elasticsearch keeps their state, so there is nothing to store in files.',
    ],
    [
      cache.type !== 'redis' &&
        (cache.redis_url !== null || cache.redis_sentinels.length > 0 || cache.redis_cluster.length > 0),
      'Redis is configured but not used: set cache.type: redis to use it.',
    ],
    [
      elasticsearch.dry_run,
      'elasticsearch.dry_run is true: nothing is written, so the credentials handed out will not work.',
    ],
    [
      elasticsearch.insecure_skip_verify,
      'elasticsearch.insecure_skip_verify is true: a machine on the network path can impersonate Elasticsearch and read the password of the service account.',
    ],
    [
      proxy.enabled && proxy.tls.insecure_skip_verify,
      'proxy.tls.insecure_skip_verify is true: a machine on the network path can impersonate the upstream and read the credentials of users.',
    ],
    ...(['elasticsearch_url', 'routes'] as const).map((name): [boolean, string] => [
      isSet(`proxy.${name}`) && !isSet('proxy.enabled'),
      `proxy.${name} is set but not used: set proxy.enabled: true to forward requests, or false to confirm that it is off.`,
    ]),
    [
      config.group_whitelist.length > 0 && !config.enable_group_whitelist,
      'group_whitelist is set but not used: set enable_group_whitelist: true to use it.',
    ],
    [
      providersOf(config).includes('static') && config.static.allow_remote,
      'static.allow_remote is true: every client that reaches the listener is the static user.',
    ],
    ...(['basic', 'cache_ttl', 'allow_reserved'] as const).map((name): [boolean, string] => [
      isSet(`elasticsearch_auth.${name}`) && !providersOf(config).includes('elasticsearch'),
      `elasticsearch_auth.${name} is set but not used: add elasticsearch to auth_providers to use it.`,
    ]),
    [
      config.elasticsearch_auth.allow_reserved.length > 0 && !config.elasticsearch_auth.basic,
      'elasticsearch_auth.allow_reserved is set but not used: set elasticsearch_auth.basic: true to use it.',
    ],
    ...(['path', 'inline'] as const).map((name): [boolean, string] => [
      isSet(`users.${name}`) && !providersOf(config).includes('users'),
      `users.${name} is set but not used: set auth_provider: users, or add users to auth_providers.`,
    ]),
    [
      hasOidc && oidc.login && !proxy.enabled && config.forward_auth.listen === null,
      "forward_auth.listen is not set, so the listener that browsers reach for /elastauth/ also answers sub-requests with credentials: a route that strips or rewrites the path would expose them. Set it, and point the proxy's auth address there.",
    ],
    [
      hasOidc && oidc.token_validation === 'userinfo',
      'oidc.token_validation is "userinfo", which does not check the audience of a token: tokens that the provider issued to other applications are accepted. Use "both" or "introspection" to reject them.',
    ],
    [
      hasOidc && oidc.allow_http,
      'oidc.allow_http is true: a machine on the network path can read tokens and the client secret, or impersonate the provider.',
    ],
  ]
  if (expiry !== undefined && expiry.getTime() < Date.now()) {
    candidates.push([
      true,
      `tls.cert has expired on ${expiry.toISOString().slice(0, 10)}: clients will reject it, so renew it.`,
    ])
  }
  return [...candidates.filter(([applies]) => applies).map(([, text]) => text), ...findAccessWarnings(config, isSet)]
}
