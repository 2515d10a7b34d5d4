import type { CredentialEvent } from './auth/credentials.ts'
import { asGatewayError } from './errors.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

/** Counts and logs what happens to credentials. */
export function createReportCredential(log: Logger, metrics: Metrics): (event: CredentialEvent) => void {
  return function reportCredential(event) {
    switch (event.kind) {
      case 'cache':
        metrics.cacheLookedUp(event.result)
        return
      case 'written': {
        const { reason, username, version } = event
        metrics.userWritten(reason)
        log.info(
          { 'event.action': `user_${reason}`, 'user.name': username },
          `user ${username}: ${reason} (version ${version})`,
        )
        return
      }
      case 'recheck_failed': {
        const { code, detail } = asGatewayError(event.error)
        log.warn(
          { 'error.code': code, 'user.name': event.username },
          `user ${event.username} could not be checked: ${detail}`,
        )
      }
    }
  }
}
