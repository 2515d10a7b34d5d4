import { setTimeout as sleep } from 'node:timers/promises'
import { backOffMs } from '../async/back-off.ts'
import { asGatewayError } from '../http/errors.ts'
import { logEvent } from './events.ts'
import type { Logger } from './log.ts'

const retryBackOff = { firstMs: 500, maxMs: 30_000 }

export type StartupChecks = Readonly<{
  checkPrivilege: () => Promise<void>
  /** Finds roles that the configuration names but that do not exist in Elasticsearch. */
  findMissingRoles: () => Promise<string[]>
}>

/**
 * Checks after the start whether Elasticsearch is reachable and the service account has the required privileges, and
 * logs the success. Until then it retries with back-off and logs each new reason of failure once. Requests do not wait
 * for this check.
 */
export async function watchElasticsearch(checks: StartupChecks, log: Logger, stopped: AbortSignal): Promise<void> {
  let lastDetail: string | undefined
  for (let failures = 0; !stopped.aborted; failures++) {
    try {
      await checks.checkPrivilege()
      const missing = await checks.findMissingRoles()
      logEvent(log, 'elasticsearch_up', {}, 'connected to Elasticsearch; the service account may manage users')
      if (missing.length > 0)
        log.warn(
          `Elasticsearch has no role ${missing.join(', ')}, so it grants no privileges: create it, or correct group_mappings and default_roles`,
        )
      return
    } catch (error) {
      const { code, detail } = asGatewayError(error)
      if (!stopped.aborted && detail !== lastDetail) {
        const message = `Elasticsearch: ${detail.replace(/^Elasticsearch /, '')}; retrying`
        logEvent(log, 'elasticsearch_down', { 'error.code': code, 'event.reason': code }, message)
      }
      lastDetail = detail
    }
    await sleep(backOffMs(failures, retryBackOff), undefined, { signal: stopped, ref: false }).catch(() => {})
  }
}
