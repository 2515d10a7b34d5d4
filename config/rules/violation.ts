/** A rule between keys that does not hold; `other` is the second key it is about. */
export type RuleViolation = {
  readonly key: string
  readonly problem: string
  readonly fix: string
  readonly otherKey?: string
}

export function violation(key: string, problem: string, fix: string, otherKey = key): RuleViolation {
  return { key, problem, fix, otherKey }
}
