import { formatDuration } from '../formats/duration.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/** `user_retention` deletes a user, and with it a revocation, only after all sessions have ended. */
export function checkUserRetention({ user_retention, session }: Config): (RuleViolation | false)[] {
  const { disable_after, delete_after, invalidate_api_keys } = user_retention
  return [
    disable_after !== null &&
      delete_after !== null &&
      delete_after <= disable_after &&
      violation(
        'user_retention.delete_after',
        'is not longer than user_retention.disable_after, so no user would be disabled first',
        'lengthen it, or remove user_retention.disable_after',
        'user_retention.disable_after',
      ),
    delete_after !== null &&
      delete_after <= session.lifetime &&
      violation(
        'user_retention.delete_after',
        'is not longer than session.lifetime: with the user, its revocation would be deleted before its sessions end',
        `write more than ${formatDuration(session.lifetime)}, or shorten session.lifetime`,
        'session.lifetime',
      ),
    invalidate_api_keys &&
      disable_after === null &&
      delete_after === null &&
      violation(
        'user_retention.invalidate_api_keys',
        'has no effect, because users are neither disabled nor deleted',
        'set user_retention.disable_after or user_retention.delete_after, or remove it',
      ),
  ]
}
