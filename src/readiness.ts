import { setTimeout as sleep } from 'node:timers/promises'
import { asGatewayError } from './errors.ts'
import type { Logger } from './log.ts'

const firstWait = 500
const longestWait = 30_000

/**
 * Says once, after the start, whether Elasticsearch is there and lets us work; asks again, ever more slowly, until it
 * does. Only the log hears of it: requests find out for themselves.
 */
export async function watchElasticsearch(check: () => Promise<void>, log: Logger, stopped: AbortSignal): Promise<void> {
  for (let wait = firstWait; !stopped.aborted; wait = Math.min(wait * 2, longestWait)) {
    try {
      await check()
      log.info('Elasticsearch is there, and our service account may manage users')
      return
    } catch (error) {
      const { code, detail } = asGatewayError(error)
      if (!stopped.aborted) log.error({ 'error.code': code }, `Elasticsearch: ${detail}. Trying again`)
    }
    await sleep(wait, undefined, { signal: stopped, ref: false }).catch(() => {})
  }
}
