import type { RetentionRules } from '../auth/credentials/retention/decide-retention.ts'
import { createRetention, type Retention, type RetentionOptions } from '../auth/credentials/retention/retention.ts'
import { createApiKeys } from '../es/api-keys.ts'
import type { Call } from '../es/call.ts'
import type { ElasticsearchClient } from '../es/client.ts'

/** Disables and deletes inactive users; the idle sweep applies it. */
export function createUserRetention(
  retention: RetentionRules,
  deps: Omit<RetentionOptions, 'retention' | 'invalidateApiKeys' | 'now'>,
  client: () => ElasticsearchClient,
  call: Call,
): Retention {
  const { invalidateAll } = createApiKeys(client, call)
  return createRetention({ ...deps, retention, invalidateApiKeys: invalidateAll, now: Date.now })
}
