import type { Config } from '../../../config/schema.ts'
import type { RetentionRules } from '../../auth/credentials/retention/decide-retention.ts'

/** Undefined if users are neither disabled nor deleted. */
export function retentionOptions({ user_retention, elasticsearch }: Config): RetentionRules | undefined {
  const { disable_after, delete_after, invalidate_api_keys } = user_retention
  if (elasticsearch.dry_run || (disable_after === null && delete_after === null)) return undefined
  return {
    disableAfterMs: disable_after ?? undefined,
    deleteAfterMs: delete_after ?? undefined,
    invalidateApiKeys: invalidate_api_keys,
  }
}
