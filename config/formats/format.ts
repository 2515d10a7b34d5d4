/** JSON as an editor's schema wants it. */
export type JsonSchema = { readonly [key: string]: unknown }

/** What is wrong with a value, as a predicate (`is not a duration`) so that a secret's value can be left out before it. */
export type Problem = {
  readonly problem: string
  readonly fix: string
  /** The offending part, and where it sits inside the value. */
  readonly value?: unknown
  readonly path?: readonly (string | number)[]
}

export type Range = { readonly min?: number; readonly max?: number }

/** One kind of value: how it is written in YAML, how it is read, and what else must hold. */
export type Format<T> = {
  readonly yamlType: 'string' | 'boolean' | 'integer' | 'array' | 'text or array' | 'object'
  /** Completes "is not …". */
  readonly noun: string
  /** What to write instead. */
  readonly hint: string
  /** A better hint for this value, where there is one. */
  readonly hintFor?: (value: unknown) => string | undefined
  readonly jsonSchema: JsonSchema
  /** Reads text (environment, flags) or a YAML value, and its own results again; `undefined` when it is not of this kind. */
  readonly parse: (value: unknown) => T | undefined
  readonly check?: (value: T, limits: Range) => readonly Problem[]
}

/** Everything wrong with a value, whether it comes from the environment, a flag, a file or a default. */
export function validateValue<T>(format: Format<T>, value: unknown, limits: Range = {}): readonly Problem[] {
  const read = format.parse(value)
  if (read === undefined) return [{ value, problem: `is not ${format.noun}`, fix: fixFor(format, value) }]
  return format.check?.(read, limits) ?? []
}

export function fixFor<T>({ hint, hintFor }: Format<T>, value: unknown): string {
  return hintFor?.(value) ?? hint
}

/** Text that must satisfy `isValid`; `tidy` brings equal spellings into one. */
export function textFormat(
  noun: string,
  hint: string,
  json: JsonSchema,
  isValid: (text: string) => boolean,
  tidy: (text: string) => string = (text) => text,
): Format<string> {
  return {
    yamlType: 'string',
    noun,
    hint,
    jsonSchema: { type: 'string', ...json },
    parse: (value) => (typeof value === 'string' && isValid(tidy(value)) ? tidy(value) : undefined),
  }
}

/** One of some words; `aliases` are accepted and replaced. */
export function oneOf<const W extends string>(
  words: readonly W[],
  aliases: { readonly [alias: string]: W } = {},
): Format<W> {
  const known = new Map<unknown, W>([...words.map((word) => [word, word] as const), ...Object.entries(aliases)])
  const named = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return {
    yamlType: 'string',
    noun: 'one of the choices',
    hint: `write ${named}`,
    jsonSchema: { type: 'string', enum: [...known.keys()] },
    parse: (value) => known.get(value),
  }
}

/** A list of text: a YAML list, or one text with commas (or lines) between the items. Doubles are dropped. */
export function listOf<T extends string>(item: Format<T>, plural: string, hint: string): Format<readonly T[]> {
  return {
    yamlType: 'array',
    noun: `a list of ${plural}`,
    hint,
    jsonSchema: { type: 'array', items: item.jsonSchema },
    parse: (value) => {
      const items = typeof value === 'string' ? splitText(value) : value
      if (!Array.isArray(items)) return undefined
      return [...new Set(items.map((entry) => item.parse(entry) ?? entry))] // for `check` to refuse what is none
    },
    check: (items) => items.flatMap((entry, index) => checkItem(item, entry, index)),
  }
}

function checkItem<T extends string>(item: Format<T>, entry: unknown, index: number): readonly Problem[] {
  if (typeof entry !== 'string') {
    return [{ problem: `has ${describeType(entry)} where text is expected`, fix: 'put it in quotes', path: [index] }]
  }
  return validateValue(item, entry).map((problem) => ({ ...problem, path: [index] }))
}

function splitText(text: string): string[] {
  return text
    .split(/[,\r\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** A value's kind, in a reader's words. */
export function describeType(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}

/** A map as YAML and JSON know it: no array, no null, no binary. */
export function isPlainMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
