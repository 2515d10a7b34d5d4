import type { Format } from './format.ts'

const unitMs: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration in Go's syntax (`500ms`, `1h30m`), parsed to milliseconds. */
export const duration: Format<number> = {
  yamlType: 'string',
  noun: 'a duration',
  hint: 'write e.g. 30m or 1h',
  hintFor: (value) => {
    const text = typeof value === 'number' || typeof value === 'string' ? String(value) : ''
    if (/^\d+(\.\d+)?$/.test(text)) return `add a unit, e.g. ${text}s`
    return /^\d+d$/.test(text) ? `write ${Number.parseInt(text, 10) * 24}h` : undefined
  },
  jsonSchema: { type: 'string', pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$' },
  parse: (value) => (typeof value === 'number' ? value : parseDuration(value)),
  check: (ms, { min = 0, max = Number.MAX_SAFE_INTEGER }) => {
    if (ms < min) return [{ problem: `is shorter than ${formatDuration(min)}`, fix: rangeFix(min, max) }]
    if (ms > max) return [{ problem: `is longer than ${formatDuration(max)}`, fix: rangeFix(min, max) }]
    return []
  },
}

/**
 * Parses a duration to milliseconds, or `undefined` if it is invalid. A number without a unit is invalid, because it is
 * ambiguous.
 */
export function parseDuration(text: unknown): number | undefined {
  if (typeof text !== 'string' || !countsAndUnits.test(text)) return undefined
  let ms = 0
  for (const [, count, unit] of text.matchAll(countAndUnit)) ms += Number(count) * unitMs[unit!]!
  return Number.isSafeInteger(Math.round(ms)) ? Math.round(ms) : undefined
}

const countsAndUnits = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/
const countAndUnit = /(\d+(?:\.\d+)?)(ms|s|m|h)/g

/** Formats milliseconds in the largest possible units. `parseDuration` converts the result back without loss. */
export function formatDuration(ms: number): string {
  let remainingMs = ms
  let text = ''
  for (const unit of ['h', 'm', 's', 'ms']) {
    const count = Math.floor(remainingMs / unitMs[unit]!)
    if (count > 0) text += `${count}${unit}`
    remainingMs -= count * unitMs[unit]!
  }
  return text || '0s'
}

function rangeFix(min: number, max: number): string {
  if (max === Number.MAX_SAFE_INTEGER) return `write ${formatDuration(min)} or more`
  return `write ${formatDuration(min)} to ${formatDuration(max)}`
}
