import type { Config } from '../../../config/schema.ts'
import type { LifecycleRules } from '../../auth/credentials/lifecycle.ts'

export function lifecycleRules({ cache, extend_cache, elasticsearch }: Config): LifecycleRules {
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
