import type { CredentialEvent } from '../auth/credentials/options.ts'
import { asGatewayError, type ErrorCode } from '../http/errors.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

/** Counts and logs what happens to credentials. */
export function createCredentialReporter(log: Logger, metrics: Metrics): (event: CredentialEvent) => void {
  return function reportCredential(event) {
    switch (event.kind) {
      case 'cache':
        metrics.cacheLookedUp(event.result)
        return
      case 'written': {
        const { reason, username, version, keyIds } = event
        metrics.userWritten(reason)
        if (keyIds !== undefined) {
          log.warn(
            { 'event.action': `user_${reason}`, 'user.name': username },
            `user ${username}: taken over from the unknown key ${keyIds.former} to ours, ${keyIds.current} (version ${version}). ` +
              'If another installation manages the same users, give both the same secret_key',
          )
          return
        }
        log.info(
          { 'event.action': `user_${reason}`, 'user.name': username },
          `user ${username}: ${reason} (version ${version})`,
        )
        return
      }
      case 'key_conflict':
        metrics.keyConflict() // the failed request or check is logged
        return
      case 'denial_dropped':
        log.warn(
          { 'event.action': 'user_denial_dropped', 'user.name': event.username },
          `user ${event.username}: too many denied users wait for Elasticsearch; the user's next request tries again to remove the roles`,
        )
        return
      case 'denial_failed': {
        const { code, detail } = asGatewayError(event.error)
        log.warn(
          { 'error.code': code, 'user.name': event.username },
          `user ${event.username}: the roles of this denied user could not be removed yet, retrying: ${detail}`,
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

/** Counts password hashes that Elasticsearch rejects, and warns once. */
export function createReportHashRejection(log: Logger, metrics: Metrics) {
  return function reportHashRejection({ reason, isFirst }: Readonly<{ reason: string; isFirst: boolean }>): void {
    metrics.passwordHashRejected()
    if (!isFirst) return
    log.warn(
      { 'event.action': 'password_hash_rejected' },
      `Elasticsearch rejects pbkdf2_1000 password hashes: ${reason}. Passwords are sent as text until the next start, ` +
        'and new users take longer: set elasticsearch.password_hashing: server to expect this',
    )
  }
}

/** Logs what happens before there is a request, such as one that is no HTTP. */
export function createLogFault(log: Logger): (code: ErrorCode, address: string | undefined, error?: unknown) => void {
  return function logFault(code, address, error) {
    const stack = error instanceof Error ? error.stack : undefined
    log.warn(
      { 'error.code': code, 'error.stack_trace': stack, 'client.ip': address },
      `a connection was refused: ${code}`,
    )
  }
}
