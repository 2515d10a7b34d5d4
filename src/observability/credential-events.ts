import { LRUCache } from 'lru-cache'
import type { CredentialEvent } from '../auth/credentials/options.ts'
import { asGatewayError } from '../http/errors.ts'
import { logEvent } from './events.ts'
import type { Logger } from './log.ts'
import { writtenNames } from './logged-names.ts'
import type { CredentialMetrics } from './metrics/metrics.ts'

/** Counts and logs what happens to credentials. */
export function createCredentialReporter(
  log: Logger,
  metrics: CredentialMetrics | undefined,
): (event: CredentialEvent) => void {
  /** How often this process has taken over a user from an unknown key. */
  const takeovers = new LRUCache<string, number>({ max: 1000 })

  return function reportCredential(event) {
    switch (event.kind) {
      case 'cache':
        metrics?.cacheLookedUp(event.result)
        return
      case 'written': {
        const { reason, username, version, access, keyIds } = event
        const fields = { 'user.name': username, ...writtenNames(access) }
        metrics?.userWritten(reason)
        if (keyIds !== undefined) {
          const count = (takeovers.get(username) ?? 0) + 1
          takeovers.set(username, count)
          const repeated =
            count === 1
              ? ''
              : `. This user has been taken over ${count} times since the start: another installation with the key ${keyIds.former} is running`
          logEvent(
            log,
            'user_rekeyed',
            fields,
            `user ${username}: taken over from the unknown key ${keyIds.former}, now managed with ${keyIds.current} (version ${version}). ` +
              `If another installation manages the same users, set the same secret_key in both${repeated}`,
          )
          return
        }
        logEvent(log, `user_${reason}`, fields, `user ${username}: ${reason} (version ${version})`)
        return
      }
      case 'deleted':
        metrics?.userWritten('deleted')
        logEvent(
          log,
          'user_deleted',
          { 'user.name': event.username },
          `user ${event.username}: deleted because of inactivity`,
        )
        return
      case 'api_keys_invalidated': {
        const { username, count } = event
        logEvent(
          log,
          'api_keys_invalidated',
          { 'user.name': username },
          `user ${username}: ${count} API keys invalidated`,
        )
        return
      }
      case 'key_conflict':
        metrics?.keyConflict() // not logged here, because the failed request or check logs it
        return
      case 'denial_dropped':
        logEvent(
          log,
          'user_denial_dropped',
          { 'user.name': event.username },
          `user ${event.username}: the roles of this denied user were not removed, because too many denials are pending; the user's next request retries`,
        )
        return
      case 'denial_failed': {
        const { code, detail } = asGatewayError(event.error)
        logEvent(
          log,
          'denial_failed',
          { 'error.code': code, 'event.reason': code, 'user.name': event.username },
          `user ${event.username}: cannot remove the roles of this denied user, retrying: ${detail}`,
        )
        return
      }
      case 'revalidation_failed': {
        const { code, detail } = asGatewayError(event.error)
        logEvent(
          log,
          'revalidation_failed',
          { 'error.code': code, 'event.reason': code, 'user.name': event.username },
          `user ${event.username}: cannot revalidate the credential: ${detail}`,
        )
      }
    }
  }
}

/** Counts the password hashes that Elasticsearch rejects, and logs a warning for the first. */
export function createReportHashRejection(log: Logger, metrics: CredentialMetrics | undefined) {
  return function reportHashRejection({ reason, isFirst }: Readonly<{ reason: string; isFirst: boolean }>): void {
    metrics?.passwordHashRejected()
    if (!isFirst) return
    logEvent(
      log,
      'password_hash_rejected',
      {},
      `Elasticsearch rejects pbkdf2_1000 password hashes: ${reason}. Passwords are sent as text until the next start, ` +
        'which makes new users slower: set elasticsearch.password_hashing: server',
    )
  }
}
