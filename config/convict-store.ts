import convict from 'convict'
import { type Format, type Range, validateValue } from './formats/format.ts'
import { formats } from './formats/registry.ts'
import { envNameOf, isKey, schema } from './schema.ts'

registerFormats()

export type ConvictStore = convict.Config<Record<string, unknown>>

/** Convict holds the schema, coerces text and fills in defaults. It stops at its first fault, so the layers are ours. */
export function createConvictStore(): ConvictStore {
  const addEnv = (node: object, path: string): object =>
    Object.fromEntries(
      Object.entries(node).map(([name, child]) => {
        const key = path === '' ? name : `${path}.${name}`
        return [
          name,
          isKey(child) ? { ...child, env: envNameOf(key), nullable: child.default === null } : addEnv(child, key),
        ]
      }),
    )
  return convict(addEnv(schema, '') as convict.Schema<Record<string, unknown>>, { env: {}, args: [] })
}

function registerFormats(): void {
  for (const [name, format] of Object.entries(formats) as [string, Format<unknown>][]) {
    convict.addFormat({
      name,
      // Text that cannot be read stays as it is, for `validate` to refuse
      coerce: (text: unknown) => format.parse(text) ?? text,
      validate: (value: unknown, spec: convict.SchemaObj & Range) => {
        const [first] = validateValue(format, value, spec)
        if (first) throw new Error(first.problem)
      },
    })
  }
}
