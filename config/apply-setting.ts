import type { ConvictStore } from './convict-store.ts'
import { type Fault, quoteForMessage } from './faults.ts'
import { describeType, type Format, fixFor, type Problem, validateValue } from './formats/format.ts'
import { getFormat } from './formats/registry.ts'
import { type Key, keys } from './schema.ts'
import type { Setting } from './sources/layer.ts'

/** Writes a setting into the store if it is valid. @returns the faults of an invalid setting */
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
  // Convict parses only text. Lists and maps are parsed here, for example to convert a single role to a list.
  if (problems.length === 0) store.set(key, typeof value === 'string' ? value : format.parse(value))
  return problems.map((problem) => {
    const { path = [], fix } = problem
    const line = setting.lineOf?.(path)
    return {
      ...location,
      ...(line !== undefined && { line }),
      key: appendPath(key, path),
      problem: describeProblem(problem, spec),
      fix,
    }
  })
}

/** `proxy.routes` and `[0, 'path']` → `proxy.routes[0].path` */
function appendPath(key: string, path: readonly (string | number)[]): string {
  return path.reduce<string>((name, part) => (typeof part === 'number' ? `${name}[${part}]` : `${name}.${part}`), key)
}

/** The problem's text, preceded by the value unless the key is sensitive. */
function describeProblem(problem: Problem, { sensitive }: Key): string {
  if (!('value' in problem)) return problem.problem
  return `${sensitive ? 'the value' : quoteForMessage(problem.value)} ${problem.problem}`
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
  const isQuotedScalar = typeof value === 'string' && format.parse(value) !== undefined
  if (isQuotedScalar && ['boolean', 'integer', 'number'].includes(format.yamlType)) return 'remove the quotes'
  const isScalar = typeof value === 'number' || typeof value === 'boolean'
  if (isScalar && format.yamlType === 'string' && format.hintFor === undefined) return 'put it in quotes'
  return fixFor(format, value)
}
