import { setTimeout as sleep } from 'node:timers/promises'
import { asGatewayError } from '../http/errors.ts'
import type { Logger } from './log.ts'

const firstWait = 500
const longestWait = 30_000

export type StartChecks = Readonly<{
  checkPrivilege: () => Promise<void>
  /** Which of the roles that the configuration names Elasticsearch does not have. */
  findMissingRoles: () => Promise<string[]>
}>

/**
 * Says once, after the start, whether Elasticsearch is there and lets us work; asks again, ever more slowly, until it
 * does. Only the log hears of it, once for each reason: requests find out for themselves.
 */
export async function watchElasticsearch(checks: StartChecks, log: Logger, stopped: AbortSignal): Promise<void> {
  let said: string | undefined
  for (let wait = firstWait; !stopped.aborted; wait = Math.min(wait * 2, longestWait)) {
    try {
      await checks.checkPrivilege()
      const missing = await checks.findMissingRoles()
      log.info('Elasticsearch is there, and our service account may manage users')
      if (missing.length > 0) log.warn(`Elasticsearch has no role ${missing.join(', ')}: nobody gets a right by it`)
      return
    } catch (error) {
      const { code, detail } = asGatewayError(error)
      if (!stopped.aborted && detail !== said)
        log.error({ 'error.code': code }, `Elasticsearch: ${detail.replace(/^Elasticsearch /, '')}. Trying again`)
      said = detail
    }
    await sleep(wait, undefined, { signal: stopped, ref: false }).catch(() => {})
  }
}
