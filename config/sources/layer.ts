import type { Fault, SourceLocation } from '../faults.ts'

/** A value somebody gave a key. */
export type Setting = {
  readonly key: string
  readonly value: unknown
  readonly location: SourceLocation
  /** YAML has types; the environment and flags have text only. */
  readonly isTyped: boolean
  /** The YAML line of a part of the value. */
  readonly lineOf?: (path: readonly (string | number)[]) => number | undefined
}

/** What one source (a file, the environment, the flags) holds. */
export type Layer = {
  readonly settings: readonly Setting[]
  readonly faults: readonly Fault[]
  readonly warnings: readonly string[]
}
