import { hasUnambiguousPath, pathOf } from '../http/target.ts'

/** Which successful requests the log omits. */
export type OmissionRules = Readonly<{
  /** The share of the other requests that is logged, from 0 to 1. */
  sampleHits: number
  /** Exact paths, and prefixes that end with `*`. */
  excludePaths: readonly string[]
}>

export type IsOmitted = (target: string, status: number) => boolean

/** Returns undefined if every request is logged. */
export function createIsOmitted({ sampleHits, excludePaths }: OmissionRules): IsOmitted | undefined {
  if (sampleHits === 1 && excludePaths.length === 0) return undefined
  const isExcluded = createIsExcluded(excludePaths)
  const isSampled = createIsSampled(sampleHits)
  return (target, status) => status < 400 && (isExcluded(target) || !isSampled())
}

/** A counter instead of a random number, so that exactly this share is logged, beginning with the first request. */
function createIsSampled(share: number): () => boolean {
  let requests = 0
  return () => Math.ceil(++requests * share) > Math.ceil((requests - 1) * share)
}

/** A path that servers may read in several ways is never excluded: `/public/../_search` is not below `/public/`. */
function createIsExcluded(excludePaths: readonly string[]): (target: string) => boolean {
  const exact = new Set(excludePaths.filter((path) => !path.endsWith('*')))
  const prefixes = excludePaths.filter((path) => path.endsWith('*')).map((path) => path.slice(0, -1))
  const matches = (path: string) => exact.has(path) || prefixes.some((prefix) => path.startsWith(prefix))
  return (target) => matches(pathOf(target)) && hasUnambiguousPath(target)
}
