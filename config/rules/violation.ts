/** A violated rule: `key` is the key at fault, and `otherKey` another key that the rule relates to it. */
export type RuleViolation = {
  readonly key: string
  readonly problem: string
  readonly fix: string
  readonly otherKey?: string
}

export function violation(key: string, problem: string, fix: string, otherKey = key): RuleViolation {
  return { key, problem, fix, otherKey }
}

/** A key and its value. */
export type KeyValue = readonly [key: string, value: string | null]

/** Requires that two keys are set together or not at all. */
export function checkBothOrNeither([keyA, a]: KeyValue, [keyB, b]: KeyValue): (RuleViolation | false)[] {
  return [
    a === null && b !== null && violation(keyA, `is not set, but ${keyB} is`, 'set both or neither', keyB),
    b === null && a !== null && violation(keyB, `is not set, but ${keyA} is`, 'set both or neither', keyA),
  ]
}
