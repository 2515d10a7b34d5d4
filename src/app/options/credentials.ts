import type { Config } from '../../../config/schema.ts'
import type { LifecycleRules } from '../../auth/credentials/lifecycle.ts'

export function credentialsOptions(config: Config) {
  const { cache, elasticsearch } = config
  return {
    secretKeys: secretKeys(config),
    rules: lifecycleRules(config),
    maxCachedUsers: cache.type === 'none' ? 0 : cache.max_entries,
    revalidateAfterMs: elasticsearch.dry_run ? Number.POSITIVE_INFINITY : cache.revalidate,
    passwordHashing: elasticsearch.dry_run ? 'server' : elasticsearch.password_hashing,
  } as const
}

/** The secret keys in hex, the current one first. @param config the validated configuration, in which `secret_key` is set */
export function secretKeys({ secret_key, previous_secret_keys }: Config): readonly [string, ...string[]] {
  return [secret_key!, ...previous_secret_keys]
}

function lifecycleRules({ cache, extend_cache, elasticsearch }: Config): LifecycleRules {
  return {
    expirationMs: cache.expiration,
    rotationPauseMs: cache.rotation_pause,
    // A dry run cannot extend passwords, because an extension is stored in the user's metadata.
    extend: extend_cache && !elasticsearch.dry_run,
    adoptExisting: elasticsearch.adopt_existing_users,
    rekey: elasticsearch.rekey,
    changeIntervalMs: 5000,
  }
}
