import type { Store } from './convict-store.ts'
import { type Fault, show } from './faults.ts'
import { type Format, hintOf, nameOfType, problemsOf } from './formats/format.ts'
import { formatNamed } from './formats/registry.ts'
import { type Key, keys } from './schema.ts'
import type { Setting } from './sources/layer.ts'

/** Puts a setting into the store, or says what is wrong with it. */
export function applySetting(setting: Setting, store: Store): Fault[] {
  const { key, value, place, typed } = setting
  const spec = keys.get(key)!
  const format = formatNamed(spec.format)
  if (typed && !hasYamlType(value, format)) {
    return [
      {
        ...place,
        key,
        problem: `expected ${expectedType(format)}, found ${nameOfType(value)}`,
        fix: fixForType(value, format),
      },
    ]
  }
  const problems = problemsOf(format, value, spec)
  // convict coerces text only; lists and maps have spellings to tidy too
  if (problems.length === 0) store.set(key, typeof value === 'string' ? value : format.read(value))
  return problems.map(({ problem, fix, path = [], ...found }) => {
    const line = setting.lineOf?.(path)
    return {
      ...place,
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
  return hasValue ? `${show(value)} ${problem}` : problem
}

function hasYamlType(value: unknown, { yaml }: Format<unknown>): boolean {
  if (yaml === 'array') return Array.isArray(value)
  if (yaml === 'text or array') return Array.isArray(value) || typeof value === 'string'
  if (yaml === 'integer') return typeof value === 'number'
  return yaml === 'object' ? typeof value === 'object' && !Array.isArray(value) : typeof value === yaml
}

function expectedType({ yaml, noun }: Format<unknown>): string {
  return yaml === 'string' && noun === 'one of the choices' ? 'a word' : noun
}

function fixForType(value: unknown, format: Format<unknown>): string {
  const isQuoted = typeof value === 'string' && format.read(value) !== undefined
  if (isQuoted && (format.yaml === 'boolean' || format.yaml === 'integer')) return 'remove the quotes'
  const isScalar = typeof value === 'number' || typeof value === 'boolean'
  if (isScalar && format.yaml === 'string' && format.hintFor === undefined) return 'put it in quotes'
  return hintOf(format, value)
}
