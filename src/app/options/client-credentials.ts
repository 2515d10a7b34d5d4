import { providersOf } from '../../../config/header-presets.ts'
import type { Config } from '../../../config/schema.ts'

export type ClientCredentialsOptions = NonNullable<ReturnType<typeof clientCredentialsOptions>>

/** Undefined if the provider `elasticsearch` is not configured. */
export function clientCredentialsOptions(config: Config) {
  if (!providersOf(config).includes('elasticsearch')) return undefined
  const { elasticsearch_auth, elasticsearch, proxy } = config
  return {
    acceptsBasic: elasticsearch_auth.basic,
    allowReserved: elasticsearch_auth.allow_reserved,
    ttlMs: elasticsearch_auth.cache_ttl,
    requiresTrustedPeer: !proxy.enabled,
    serviceAccount: elasticsearch.username ?? undefined,
    ownKeyId: elasticsearch.api_key === null ? undefined : keyIdOf(elasticsearch.api_key),
  }
}

/** An API key is the Base64 of its id, a colon and its secret. */
function keyIdOf(apiKey: string): string | undefined {
  return Buffer.from(apiKey, 'base64').toString('utf8').split(':', 1)[0]
}
