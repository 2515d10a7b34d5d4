import convict from 'convict'
import { type Format, type Range, validateValue } from './formats/format.ts'
import { formats } from './formats/registry.ts'
import { envNameOf, isKey, schema } from './schema.ts'

registerFormats()

export type ConvictStore = convict.Config<Record<string, unknown>>

/**
 * Creates the Convict store, which holds the schema, parses text and fills in defaults. elastauth reads and validates
 * the sources itself, because Convict would stop at the first error.
 */
export function createConvictStore(): ConvictStore {
  return convict(toConvictSchema(schema, '') as convict.Schema<Record<string, unknown>>, { env: {}, args: [] })
}

function toConvictSchema(section: object, path: string): object {
  return Object.fromEntries(
    Object.entries(section).map(([name, child]) => {
      const key = path === '' ? name : `${path}.${name}`
      if (!isKey(child)) return [name, toConvictSchema(child, key)]
      return [name, { ...child, env: envNameOf(key), nullable: child.default === null }]
    }),
  )
}

function registerFormats(): void {
  for (const [name, format] of Object.entries(formats) as [string, Format<unknown>][]) {
    convict.addFormat({
      name,
      // Text that cannot be parsed is returned unchanged, so that `validate` rejects it
      coerce: (text: unknown) => format.parse(text) ?? text,
      validate: (value: unknown, spec: convict.SchemaObj & Range) => {
        const [first] = validateValue(format, value, spec)
        if (first) throw new Error(first.problem)
      },
    })
  }
}
