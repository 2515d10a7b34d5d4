/** A part of the JSON schema, which editors use to check a configuration file. */
export type JsonSchema = { readonly [key: string]: unknown }

/**
 * What is wrong with a value. `problem` is a predicate (`is not a duration`), so that a message can omit a secret
 * value.
 */
export type Problem = {
  readonly problem: string
  readonly fix: string
  /** The invalid part, and its path within the value. */
  readonly value?: unknown
  readonly path?: readonly (string | number)[]
}

export type Range = { readonly min?: number; readonly max?: number }

/** A value format: its YAML type, how it is parsed, and how it is validated. */
export type Format<T> = {
  readonly yamlType: 'string' | 'boolean' | 'integer' | 'number' | 'array' | 'text or array' | 'object'
  /** Completes the message "is not …". */
  readonly noun: string
  /** What to write instead. */
  readonly hint: string
  /** A more specific hint for this value, if there is one. */
  readonly hintFor?: (value: unknown) => string | undefined
  readonly jsonSchema: JsonSchema
  /** Parses text (environment, flags) or a YAML value. Idempotent. `undefined` if the value does not have this format. */
  readonly parse: (value: unknown) => T | undefined
  readonly check?: (value: T, limits: Range) => readonly Problem[]
}

/** Finds all problems of a value, whether from the environment, a flag, a file or a default. */
export function validateValue<T>(format: Format<T>, value: unknown, limits: Range = {}): readonly Problem[] {
  const read = format.parse(value)
  if (read === undefined) return [{ value, problem: `is not ${format.noun}`, fix: fixFor(format, value) }]
  return format.check?.(read, limits) ?? []
}

export function fixFor<T>({ hint, hintFor }: Format<T>, value: unknown): string {
  return hintFor?.(value) ?? hint
}

export type TextFormatOptions = Readonly<{
  noun: string
  hint: string
  /** JSON schema constraints in addition to `type: string`. */
  jsonSchema?: JsonSchema
  isValid: (text: string) => boolean
  normalize?: (text: string) => string
}>

/** A format for text that satisfies `isValid`, checked after `normalize` has made equivalent spellings equal. */
export function textFormat({
  noun,
  hint,
  jsonSchema = {},
  isValid,
  normalize = (text) => text,
}: TextFormatOptions): Format<string> {
  return {
    yamlType: 'string',
    noun,
    hint,
    jsonSchema: { type: 'string', ...jsonSchema },
    parse: (value) => (typeof value === 'string' && isValid(normalize(value)) ? normalize(value) : undefined),
  }
}

/** A format for one of the given words. An alias is accepted and replaced by its word. */
export function oneOf<const W extends string>(
  words: readonly W[],
  aliases: { readonly [alias: string]: W } = {},
): Format<W> {
  const wordOf = new Map<unknown, W>([...words.map((word) => [word, word] as const), ...Object.entries(aliases)])
  const choices = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return {
    yamlType: 'string',
    noun: 'one of the choices',
    hint: `write ${choices}`,
    jsonSchema: { type: 'string', enum: [...wordOf.keys()] },
    parse: (value) => wordOf.get(value),
  }
}

/**
 * A format for a list of texts: a YAML list, or one text with commas or line breaks as separators. Duplicates are
 * removed, unless there are problems: their paths count the entries as they were written.
 */
export function listOf<T extends string>(item: Format<T>, plural: string, hint: string): Format<readonly T[]> {
  const check = (items: readonly unknown[]) => items.flatMap((entry, index) => checkItem(item, entry, index))
  return {
    yamlType: 'array',
    noun: `a list of ${plural}`,
    hint,
    jsonSchema: { type: 'array', items: item.jsonSchema },
    parse: (value) => {
      const items = typeof value === 'string' ? splitText(value) : value
      if (!Array.isArray(items)) return undefined
      const parsed = items.map((entry) => item.parse(entry) ?? entry) // `check` rejects invalid items
      return check(parsed).length === 0 ? [...new Set(parsed)] : parsed
    },
    check,
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

/** The type of a value, for a message. */
export function describeType(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}

/** Whether this is a map of YAML or JSON: not an array, null or binary data. */
export function isPlainMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** Whether a text contains an ASCII control character, such as a line break. */
export function hasControlCharacter(text: string): boolean {
  return /[\x00-\x1f\x7f]/.test(text)
}
