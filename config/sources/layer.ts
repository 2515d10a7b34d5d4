import type { Fault, SourceLocation } from '../faults.ts'

/** The value of a key in one source. */
export type Setting = {
  readonly key: string
  readonly value: unknown
  readonly location: SourceLocation
  /** True for YAML, whose values have types. Values from the environment and flags are text. */
  readonly isTyped: boolean
  /** Finds the line of a part of the value in the YAML file. */
  readonly lineOf?: (path: readonly (string | number)[]) => number | undefined
}

/** The content of one source: YAML files, the environment or the flags. */
export type Layer = {
  readonly settings: readonly Setting[]
  readonly faults: readonly Fault[]
  readonly warnings: readonly string[]
}
