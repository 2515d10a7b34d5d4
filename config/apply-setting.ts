import type { ConvictStore } from './convict-store.ts'
import { type Fault, quoteForMessage } from './faults.ts'
import { describeType, type Format, fixFor, validateValue } from './formats/format.ts'
import { getFormat } from './formats/registry.ts'
import { type Key, keys } from './schema.ts'
import type { Setting } from './sources/layer.ts'

/** Puts a setting into the store, or says what is wrong with it. */
export function applySetting(setting: Setting, store: ConvictStore): Fault[] {
  const { key, value, location, isTyped } = setting
  const spec = keys.get(key)!
  const format = getFormat(spec.format)
  if (isTyped && !hasYamlType(value, format)) {
    return [
      {
        ...location,
        key,
        problem: `expected ${expectedType(format)}, found ${describeType(value)}`,
        fix: fixForType(value, format),
      },
    ]
  }
  const problems = validateValue(format, value, spec)
  // convict coerces text only; lists and maps have spellings to tidy too
  if (problems.length === 0) store.set(key, typeof value === 'string' ? value : format.parse(value))
  return problems.map(({ problem, fix, path = [], ...found }) => {
    const line = setting.lineOf?.(path)
    return {
      ...location,
      ...(line !== undefined && { line }),
      key: path.reduce<string>(
        (name, part) => (typeof part === 'number' ? `${name}[${part}]` : `${name}.${part}`),
        key,
      ),
      problem: describeProblem(problem, 'value' in found, found.value, spec),
      fix,
    }
  })
}

function describeProblem(problem: string, hasValue: boolean, value: unknown, { sensitive }: Key): string {
  if (sensitive) return hasValue ? `the value ${problem}` : problem
  return hasValue ? `${quoteForMessage(value)} ${problem}` : problem
}

function hasYamlType(value: unknown, { yamlType }: Format<unknown>): boolean {
  if (yamlType === 'array') return Array.isArray(value)
  if (yamlType === 'text or array') return Array.isArray(value) || typeof value === 'string'
  if (yamlType === 'integer') return typeof value === 'number'
  return yamlType === 'object' ? typeof value === 'object' && !Array.isArray(value) : typeof value === yamlType
}

function expectedType({ yamlType, noun }: Format<unknown>): string {
  return yamlType === 'string' && noun === 'one of the choices' ? 'a word' : noun
}

function fixForType(value: unknown, format: Format<unknown>): string {
  const isQuoted = typeof value === 'string' && format.parse(value) !== undefined
  if (isQuoted && (format.yamlType === 'boolean' || format.yamlType === 'integer')) return 'remove the quotes'
  const isScalar = typeof value === 'number' || typeof value === 'boolean'
  if (isScalar && format.yamlType === 'string' && format.hintFor === undefined) return 'put it in quotes'
  return fixFor(format, value)
}
