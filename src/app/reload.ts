import type { Config } from '../../config/schema.ts'
import { planReload, type ReloadPlan } from './options/reload-plan.ts'

/**
 * Prepares a part of elastauth that a reload replaces: reads the files of the part again and checks everything that can
 * fail. Throws if the part cannot be replaced. @returns a function that replaces the part and does not throw
 */
export type PrepareReload = (config: Config) => () => void

/** The changed keys that are in effect now, and those that need a restart. */
export type ReloadResult = Pick<ReloadPlan, 'changed' | 'ignored'>

/**
 * @param parts all that a reload replaces; undefined for a part that is not configured
 * @returns a function that replaces either all parts or, if it throws, none. It returns the changed keys.
 */
export function createReload(initial: Config, parts: readonly (PrepareReload | undefined)[]) {
  let running = initial

  return function reload(next: Config): ReloadResult {
    const { config, changed, ignored } = planReload(running, next)
    const commits = parts.map((prepare) => prepare?.(config))
    for (const commit of commits) commit?.()
    running = config
    return { changed, ignored }
  }
}
