import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/schema.ts'
import type { SweepDirectory } from '../auth/credentials/user-directory.ts'
import { asGatewayError } from '../http/errors.ts'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import { roleRules } from './options/handlers.ts'
import type { PrepareReload } from './reload.ts'

type Deps = Readonly<{ page: SweepDirectory['page']; log: Logger }>

/** Bounds the work for a reload: 1,000 pages, which take some minutes. */
const maxUsers = 100_000
/** As in the idle sweep, so that Elasticsearch has time for requests of users. */
const pagePauseMs = 250

/**
 * Logs what a reload of the rules for roles changes for the managed users. Runs in the background after the reload, and a
 * failure is only logged.
 */
export function createRoleChangeLog(initial: Config, deps: Deps, stopped: AbortSignal): PrepareReload {
  let running = roleRules(initial)
  let current = new AbortController()
  return function prepareReload(next) {
    const rules = roleRules(next)
    return () => {
      const former = running
      running = rules
      if (JSON.stringify(former) === JSON.stringify(rules)) return
      current.abort() // a later reload replaces the comparison
      current = new AbortController()
      void logChanges(deps, { before: former, after: rules }, AbortSignal.any([stopped, current.signal]))
    }
  }
}

type Rules = Readonly<Record<'before' | 'after', ReturnType<typeof roleRules>>>

async function logChanges({ page, log }: Deps, rules: Rules, stopped: AbortSignal): Promise<void> {
  try {
    const { compareRoles, describeChanges } = await import('../plan/compare-roles.ts') // only for a reload
    const pause = () => sleep(pagePauseMs, undefined, { signal: stopped, ref: false })
    const changes = await compareRoles({ ...rules, page, maxUsers, pause })
    if (stopped.aborted) return
    const text = `the reload changes roles at the next request: ${describeChanges(changes)}`
    logEvent(log, 'roles_compared', {}, `${text} (elastauth plan names them)`)
  } catch (error) {
    if (stopped.aborted) return
    log.warn(`cannot tell whose roles the reload changes: ${asGatewayError(error).detail}`)
  }
}
